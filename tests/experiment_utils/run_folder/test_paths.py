"""Run ids, and where a run's files are."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tmgg.errors import ConfigError
from tmgg.experiment_utils.run_folder.paths import RunPaths, check_run_id, submission_paths

GOOD = ["a", "7", "stage1.poc_2-x", "A" * 100, "2026-11-23T10"]
BAD = [
    "",
    ".",
    "..",
    ".hidden",
    "-rf",
    "_x",
    "a/b",
    "a b",
    "a\n",
    "a\0b",
    "x" * 101,
    "é",
    "a;b",
    "$(x)",
    "a'b",
    'a"b',
    "a\\b",
    "a%j",
    "log.out",
    "log.err",
]


@pytest.mark.parametrize("run_id", GOOD)
def test_a_run_id_that_can_be_a_file_name_is_taken_as_it_is(run_id: str) -> None:
    assert check_run_id(run_id) == run_id


@pytest.mark.parametrize("run_id", [*BAD, None, 7, 1.5, ["a"], b"a"])
def test_a_run_id_that_cannot_be_a_file_name_is_refused_with_what_fits(run_id: object) -> None:
    with pytest.raises(ConfigError) as caught:
        check_run_id(run_id)
    message = str(caught.value)
    assert repr(run_id) in message
    assert "cannot be a file name" in message
    assert "Use 1 to 100 letters, digits" in message


@given(st.text(), st.integers(1, 10**6))
def test_no_run_id_leads_out_of_its_folder(run_id: str, number: int) -> None:
    try:
        check_run_id(run_id)
    except ConfigError:
        return
    paths = RunPaths(Path("/runs"), run_id)
    submission = paths.submission(number)
    for path in (paths.folder, paths.stdout, paths.stderr, submission.folder, submission.ended):
        assert Path("/runs") in path.parents
        assert ".." not in path.parts
        assert "\n" not in str(path)


@given(
    st.sampled_from(["a", "a.1", "a.1.1", "a-1", "1"]),
    st.sampled_from(["a", "a.1", "a.1.1", "a-1", "1"]),
    st.integers(1, 12),
    st.integers(1, 12),
)
def test_no_two_submissions_share_an_exit_record(
    one: str, other: str, number: int, other_number: int
) -> None:
    mine = RunPaths(Path("/runs"), one).submission(number)
    theirs = RunPaths(Path("/runs"), other).submission(other_number)
    assert (mine.ended == theirs.ended) == ((one, number) == (other, other_number))


def test_submissions_are_counted_as_numbers_and_other_files_ignored(tmp_path: Path) -> None:
    paths = RunPaths(tmp_path, "a")
    for name in ("1", "2", "10", "output", ".3.abc.tmp", "run.json", "٣"):
        (paths.folder / name).mkdir(parents=True)
    assert paths.submission_numbers() == [1, 2, 10]
    assert RunPaths(tmp_path, "nobody").submission_numbers() == []


def test_the_submission_is_found_from_its_folder(folder: Path) -> None:
    expected = RunPaths(folder / "runs", "run").submission(2)
    assert submission_paths(Path("runs/run/2")) == expected
    assert submission_paths(folder / "runs/run/2/") == expected
