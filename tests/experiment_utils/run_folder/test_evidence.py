"""Reading a submission's files never fails: what is damaged is itself evidence."""

import json
import math
import os
import time
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tmgg.experiment_utils.files.atomic_file import write_json
from tmgg.experiment_utils.run_folder.evidence import Evidence, read_evidence
from tmgg.experiment_utils.run_folder.exit_record import read_exit_record
from tmgg.experiment_utils.run_folder.ownership import read_job_id
from tmgg.experiment_utils.run_folder.paths import RunPaths, SubmissionPaths
from tmgg.experiment_utils.run_folder.registry import save_job
from tmgg.experiment_utils.run_folder.submission_files import SubmissionFiles, first_attempt
from tmgg.experiment_utils.run_folder.task import TaskOutput, render_result_line

EXIT = {
    "version": 1,
    "job_id": "77",
    "restart": 0,
    "stage": "entrypoint",
    "signal": "",
    "exit_code": 0,
    "entrypoint_exit_code": 0,
    "ended_at": 1.5,
}


@pytest.fixture
def paths(folder: Path) -> SubmissionPaths:
    paths = RunPaths(folder, "run").submission(2)
    paths.folder.mkdir(parents=True)
    paths.run_paths.ended_folder.mkdir()
    return paths


def output(**values: Any) -> TaskOutput:
    return TaskOutput(**{"run_id": "run", "status": "completed", "submission": 2, **values})


def look(paths: SubmissionPaths, *, ended: bool = True) -> Evidence:
    return read_evidence(SubmissionFiles(paths), ended=ended)


def test_of_a_submission_that_has_just_been_made_nothing_is_known(paths: SubmissionPaths) -> None:
    found = look(paths)
    assert (found.run_id, found.first_attempt, found.job_id) == ("run", 2, None)
    assert (found.claimed, found.cancel_requested) == (False, False)
    assert (found.result, found.result_problem, found.exit_record) == (None, None, None)
    assert found.missing_since_s is None


def test_the_job_that_claimed_the_submission_owns_it_whatever_sbatch_said(
    paths: SubmissionPaths,
) -> None:
    save_job(paths, "76")
    assert read_job_id(paths) == "76"
    paths.owner.write_text("77\n")
    assert read_job_id(paths) == "77"
    assert look(paths).claimed


def test_the_result_file_is_trusted_before_the_line(paths: SubmissionPaths) -> None:
    write_json(paths.result, output(metrics={"x": 1}).to_json())
    paths.run_paths.stdout.write_text(render_result_line(output(metrics={"x": 2})) + "\n")
    assert look(paths).result == output(metrics={"x": 1})


def test_the_line_is_there_for_the_day_the_file_could_not_be_written(
    paths: SubmissionPaths,
) -> None:
    lines = ["progress 10%\rprogress 20%", render_result_line(output(metrics={"x": math.nan})), ""]
    paths.run_paths.stdout.write_text("\n".join(lines))
    found = look(paths).result
    assert found is not None
    assert math.isnan(found.metrics["x"])


def test_the_logs_of_running_jobs_are_not_read(paths: SubmissionPaths) -> None:
    paths.run_paths.stdout.write_text(render_result_line(output()) + "\n")
    assert look(paths, ended=False).result is None
    paths.ended.write_text(json.dumps(EXIT))
    assert look(paths, ended=False).result == output()


def test_a_truncated_file_is_a_problem_and_the_line_its_substitute(paths: SubmissionPaths) -> None:
    paths.result.write_text(json.dumps(output().to_json())[:-9])
    found = look(paths)
    assert found.result is None
    assert found.result_problem is not None
    assert f"{paths.result} is not JSON" in found.result_problem
    paths.run_paths.stdout.write_text(render_result_line(output()) + "\n")
    assert look(paths).result == output()


def test_a_line_cut_in_the_middle_is_a_problem(paths: SubmissionPaths) -> None:
    paths.run_paths.stdout.write_text(render_result_line(output())[:-9])
    found = look(paths)
    assert found.result is None
    assert found.result_problem is not None
    assert f"in {paths.run_paths.stdout}: the TMGG_RESULT: line is not JSON" in found.result_problem


def test_garbage_after_the_result_does_not_hide_it(paths: SubmissionPaths) -> None:
    text = f"{render_result_line(output())}\nTMGG_RESULT:garbage\n"
    paths.run_paths.stdout.write_bytes(text.encode() + b"\xff\xfe\0\n")
    assert look(paths).result == output()


@pytest.mark.parametrize("foreign", [{"submission": 1}, {"run_id": "other"}])
def test_a_result_file_of_another_submission_is_no_result_of_this_one(
    paths: SubmissionPaths, foreign: dict[str, Any]
) -> None:
    write_json(paths.result, output(**foreign).to_json())
    found = look(paths)
    assert found.result is None
    assert found.result_problem is not None
    assert "not to 'run', submission 2" in found.result_problem


def test_the_line_of_an_earlier_submission_in_the_same_log_is_no_problem(
    paths: SubmissionPaths,
) -> None:
    """All submissions of a run append to one log; the second failed before it could say a word."""
    paths.run_paths.stdout.write_text(render_result_line(output(submission=1)) + "\n")
    found = look(paths)
    assert (found.result, found.result_problem) == (None, None)


def test_only_the_end_of_a_long_log_is_read(paths: SubmissionPaths) -> None:
    with paths.run_paths.stdout.open("w") as log:
        log.write(render_result_line(output()) + "\n" + "x" * 10_000_000)
    assert look(paths).result is None


def test_the_exit_record(paths: SubmissionPaths) -> None:
    paths.ended.write_text(json.dumps(EXIT))
    os.utime(paths.ended, (time.time() - 90, time.time() - 90))
    found = look(paths).exit_record
    assert found is not None
    assert (found.job_id, found.stage, found.exit_code) == ("77", "entrypoint", 0)
    assert 89 < found.age_s < 120


def test_an_exit_record_from_a_clock_that_is_ahead_is_new(paths: SubmissionPaths) -> None:
    paths.ended.write_text(json.dumps(EXIT))
    os.utime(paths.ended, (time.time() + 600, time.time() + 600))
    found = look(paths).exit_record
    assert found is not None
    assert found.age_s == 0


def test_since_when_something_is_missing(paths: SubmissionPaths) -> None:
    write_json(paths.missing, {"version": 1, "since": time.time() - 90})
    since_s = look(paths).missing_since_s
    assert since_s is not None
    assert 89 < since_s < 120


# Anything a disk, an editor or another program may leave in the place of a record.
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=6,
)
numbers = st.just(10**400) | st.just("9" * 5_000) | st.floats() | st.integers()
damaged = st.one_of(
    st.binary(max_size=30),
    st.just(b"[" * 100_000),
    json_values.map(lambda value: json.dumps(value).encode()),
    st.builds(
        lambda key, value: json.dumps({**EXIT, key: value}).encode(),
        st.sampled_from(sorted(EXIT)),
        json_values | numbers,
    ),
    st.builds(
        lambda key, value: json.dumps({**output().to_json(), key: value}).encode(),
        st.sampled_from(sorted(output().to_json())),
        json_values | numbers,
    ),
    st.builds(
        lambda value: json.dumps({"version": 1, "job_id": value, "since": value}).encode(),
        json_values | numbers,
    ),
)


@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_whatever_the_files_hold_reading_them_never_fails(
    paths: SubmissionPaths, data: st.DataObject
) -> None:
    files = [paths.result, paths.ended, paths.owner, paths.job, paths.missing]
    for file in data.draw(st.lists(st.sampled_from(files), min_size=1, max_size=3)):
        file.write_bytes(data.draw(damaged))
    line = data.draw(st.just(b"") | damaged)
    paths.run_paths.stdout.write_bytes(b"TMGG_RESULT:" + line)
    found = look(paths)
    assert found.result is None or (found.result.run_id, found.result.submission) == ("run", 2)
    assert found.missing_since_s is None or found.missing_since_s >= 0
    read_exit_record(paths)
    for file in files:
        file.unlink(missing_ok=True)


@pytest.mark.parametrize("name", ["result", "ended", "owner", "job", "missing"])
def test_a_folder_in_the_place_of_a_file_is_no_crash(paths: SubmissionPaths, name: str) -> None:
    getattr(paths, name).mkdir()
    found = look(paths)
    assert found.result is None
    assert found.exit_record is None


@pytest.mark.parametrize(
    ("before", "first"),
    [
        ('{"attempt": 4}', 5),
        ('{"attempt": 1}', 3),
        ('{"attempt": "x"}', 3),
        ("half of", 3),
        (None, 3),
    ],
)
def test_attempts_of_the_submission_before_are_counted_on(
    paths: SubmissionPaths, before: str | None, first: int
) -> None:
    assert first_attempt(paths.run_paths.submission(1)) == 1
    if before is not None:
        paths.verdict.write_text(before)
    assert first_attempt(paths.run_paths.submission(3)) == first


def test_a_submission_that_was_given_up_before_it_began_is_no_attempt(
    paths: SubmissionPaths,
) -> None:
    third = paths.run_paths.submission(3)
    assert first_attempt(third) == 3

    (paths.folder / "owner").write_text("nobody\n")

    assert first_attempt(third) == 2
