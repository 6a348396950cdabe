"""What an earlier start writes, once a later one has begun, is not taken for the later one's."""

import errno
import json
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.fakes.hiccup import Hiccup
from tmgg.experiment_utils.files.atomic_file import write_json
from tmgg.experiment_utils.run_folder.evidence import read_evidence
from tmgg.experiment_utils.run_folder.exit_record import End, leave_exit_record, read_exit_record
from tmgg.experiment_utils.run_folder.paths import RunPaths, SubmissionPaths
from tmgg.experiment_utils.run_folder.phases import write_phase
from tmgg.experiment_utils.run_folder.starts import is_superseded, last_start, last_start_on_record
from tmgg.experiment_utils.run_folder.submission_files import SubmissionFiles


@pytest.fixture
def paths(tmp_path: Path) -> SubmissionPaths:
    paths = RunPaths(tmp_path, "r").submission(1)
    paths.folder.mkdir(parents=True)
    return paths


@pytest.mark.parametrize(
    ("last", "superseded"), [(None, False), ("0\n", False), ("1\n", False), ("2\n", True)]
)
def test_a_start_is_superseded_by_a_later_one_only(
    paths: SubmissionPaths, last: str | None, superseded: bool
) -> None:
    if last is not None:
        paths.restart.write_text(last)
    assert is_superseded(paths, 1) is superseded


def test_a_number_that_cannot_be_read_supersedes_nothing(
    paths: SubmissionPaths, monkeypatch: pytest.MonkeyPatch
) -> None:
    paths.restart.write_text("2\n")
    Hiccup(monkeypatch).begin(paths.folder, errno.ESTALE)
    assert not is_superseded(paths, 0)
    with pytest.raises(OSError, match="Stale file handle"):
        last_start(paths)


@pytest.mark.parametrize("text", ["", "one\n"])
def test_a_number_that_is_none_tells_of_no_start(paths: SubmissionPaths, text: str) -> None:
    paths.restart.write_text(text)
    assert last_start(paths) is None
    assert last_start_on_record(paths) == 0


def test_a_number_that_anybody_could_have_written_does_not_count_for_who_judges(
    paths: SubmissionPaths,
) -> None:
    paths.restart.write_text("2\n")
    paths.folder.chmod(0o777)
    paths.restart.chmod(0o666)
    assert last_start_on_record(paths) == 0


def _end(paths: SubmissionPaths) -> None:
    leave_exit_record(paths, End(job_id="7", restart=1, scope="run"))


def _mark(paths: SubmissionPaths) -> None:
    write_phase(paths, "batch_end", restart=1)


@pytest.mark.parametrize("says", [_end, _mark])
def test_a_superseded_start_says_nothing_more(
    paths: SubmissionPaths, says: Callable[[SubmissionPaths], None]
) -> None:
    paths.restart.write_text("2\n")
    says(paths)
    assert not paths.ended.exists()
    assert not paths.phases.exists()


@pytest.mark.parametrize("says", [_end, _mark])
def test_the_last_start_says_what_it_has_to_say(
    paths: SubmissionPaths, says: Callable[[SubmissionPaths], None]
) -> None:
    paths.restart.write_text("1\n")
    says(paths)
    assert paths.ended.exists() or paths.phases.exists()


def test_a_mark_is_by_default_of_the_start_that_the_environment_names(
    paths: SubmissionPaths, monkeypatch: pytest.MonkeyPatch
) -> None:
    paths.restart.write_text("2\n")
    monkeypatch.setenv("TMGG_RESTART", "2")
    write_phase(paths, "entrypoint_start")
    monkeypatch.setenv("TMGG_RESTART", "1")
    write_phase(paths, "entrypoint_end")
    assert [line.split()[0] for line in paths.phases.read_text().splitlines()] == [
        "entrypoint_start"
    ]


@pytest.mark.parametrize("why", ["words", 1, ["kind"], {"kind": "no such"}])
def test_a_record_whose_cause_is_none_is_no_record(paths: SubmissionPaths, why: object) -> None:
    _end(paths)
    record = json.loads(paths.ended.read_text())
    assert read_exit_record(paths) is not None
    write_json(paths.ended, record | {"failure": why})
    assert read_exit_record(paths) is None


def test_a_record_that_was_under_way_when_a_later_start_began_is_not_its_end(
    paths: SubmissionPaths,
) -> None:
    _end(paths)
    assert read_exit_record(paths) is not None
    paths.restart.write_text("2\n")
    assert read_exit_record(paths) is None
    assert read_evidence(SubmissionFiles(paths), ended=False).last_start == 2
