"""Records that a disk, an editor or a newer program changed: a value or a RecordError, no other."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tmgg.errors import RecordError
from tmgg.experiment_utils.cloud.judging.results import load_verdict, save_verdict
from tmgg.experiment_utils.cloud.runs import RunState
from tmgg.experiment_utils.run_folder.failures import failure
from tmgg.experiment_utils.run_folder.ownership import is_forbidden, read_owner
from tmgg.experiment_utils.run_folder.paths import RunPaths, SubmissionPaths
from tmgg.experiment_utils.run_folder.phases import parse_phases
from tmgg.experiment_utils.run_folder.registry import (
    RunRecord,
    load_intent,
    load_run,
    load_task,
    new_intent,
    seconds_since_given_up,
    submitted_at,
)
from tmgg.experiment_utils.run_folder.submission_files import SubmissionFiles
from tmgg.experiment_utils.run_folder.task import TaskInput, TaskOutput, parse_result_line

FAILED = RunState(
    run_id="run", status="failed", final=True, job_id="7", failure=failure("timeout", "late")
)
LOADERS: dict[str, Callable[[SubmissionPaths], object]] = {
    "run": lambda paths: load_run(paths.run_paths),
    "task": lambda paths: load_task(paths.run_paths),
    "intent": load_intent,
    "verdict": lambda paths: load_verdict(SubmissionFiles(paths)),
}
SOUND: dict[str, dict[str, Any]] = {
    "run": RunRecord(run_id="run", backend="local", base_dir="/", settings={"a": 1}).to_json(),
    "task": TaskInput(run_id="run", target="a:b", config={"x": [1]}, timeout_seconds=5).to_json(),
    "intent": new_intent().to_json(),
}


@pytest.fixture
def paths(folder: Path) -> SubmissionPaths:
    paths = RunPaths(folder, "run").submission(1)
    paths.folder.mkdir(parents=True)
    save_verdict(paths, FAILED)
    SOUND["verdict"] = json.loads(paths.verdict.read_text())
    return paths


def file_of(paths: SubmissionPaths, kind: str) -> Path:
    return (
        paths.run_paths.run
        if kind == "run"
        else (paths.run_paths.task if kind == "task" else getattr(paths, kind))
    )


json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=5)
    | st.just(10**400),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=6,
)
kinds = st.sampled_from(sorted(LOADERS))
quiet = settings(suppress_health_check=[HealthCheck.function_scoped_fixture])


@quiet
@given(kinds, st.binary(max_size=40) | json_values.map(lambda value: json.dumps(value).encode()))
def test_any_content_is_a_record_or_a_record_error(
    paths: SubmissionPaths, kind: str, content: bytes
) -> None:
    file_of(paths, kind).write_bytes(content)
    with pytest.raises(RecordError):
        LOADERS[kind](paths)


@settings(quiet, max_examples=200)
@given(st.data())
def test_any_field_with_any_value_is_a_record_or_a_record_error_that_names_it(
    paths: SubmissionPaths, data: st.DataObject
) -> None:
    kind = data.draw(kinds)
    key = data.draw(st.sampled_from(sorted(SOUND[kind])))
    value = data.draw(json_values)
    file = file_of(paths, kind)
    file.write_text(json.dumps(SOUND[kind] | {key: value}))
    try:
        found = LOADERS[kind](paths)
    except RecordError as error:
        assert str(file) in str(error)  # noqa: PT017 - either outcome is right
        return
    if isinstance(found, RunState):
        assert found.final
        assert found.status in ("completed", "failed")
        assert (found.failure is None) == (found.status == "completed")


@quiet
@given(kinds, st.data())
def test_a_record_without_one_of_its_fields_is_one_with_defaults_or_an_error(
    paths: SubmissionPaths, kind: str, data: st.DataObject
) -> None:
    key = data.draw(st.sampled_from(sorted(SOUND[kind])))
    file = file_of(paths, kind)
    file.write_text(json.dumps({name: item for name, item in SOUND[kind].items() if name != key}))
    try:
        LOADERS[kind](paths)
    except RecordError as error:
        assert key in str(error) or key == "failure"  # noqa: PT017 - either outcome is right


def test_a_sound_record_stays_as_it_is(paths: SubmissionPaths) -> None:
    assert load_verdict(SubmissionFiles(paths)) == FAILED
    assert (
        load_verdict(SubmissionFiles(RunPaths(paths.run_paths.output_dir, "x").submission(1)))
        is None
    )


@pytest.mark.parametrize("kind", sorted(LOADERS))
def test_a_record_of_a_newer_program_is_an_error_that_says_so(
    paths: SubmissionPaths, kind: str
) -> None:
    file_of(paths, kind).write_text(json.dumps(SOUND[kind] | {"version": 2}))
    with pytest.raises(RecordError, match="has version 2; this TMGG reads 1 to 1"):
        LOADERS[kind](paths)


def test_a_verdict_that_contradicts_itself_is_none(paths: SubmissionPaths) -> None:
    for change in ({"status": "completed"}, {"failure": None}, {"status": "running"}):
        paths.verdict.write_text(json.dumps(SOUND["verdict"] | change))
        with pytest.raises(RecordError):
            load_verdict(SubmissionFiles(paths))


@quiet
@given(
    st.binary()
    | json_values.map(
        lambda value: json.dumps({"version": 1, "job_id": value, "submitted_at": value}).encode()
    )
)
def test_any_note_of_a_job_is_a_time_or_nothing(paths: SubmissionPaths, content: bytes) -> None:
    paths.job.write_bytes(content)
    paths.owner.write_bytes(content)
    for found in (submitted_at(paths), seconds_since_given_up(paths)):
        assert found is None or isinstance(found, float)
    read_owner(paths)
    is_forbidden(paths)


@given(
    st.text()
    | st.lists(st.sampled_from(["batch_start", "1.5", "nan", "9" * 400, " ", "\n", "h"])).map(
        "".join
    )
)
def test_any_text_is_a_list_of_phases(text: str) -> None:
    for phase in parse_phases(text):
        assert phase.name
        assert phase.at >= 0


@given(
    st.text().map(lambda text: "TMGG_RESULT:" + text)
    | json_values.map(lambda value: "TMGG_RESULT:" + json.dumps(value))
)
def test_any_result_line_is_a_result_or_a_record_error(line: str) -> None:
    with pytest.raises(RecordError):
        parse_result_line(line)


@given(st.sampled_from(sorted(TaskOutput(run_id="r", status="completed").to_json())), json_values)
def test_any_field_of_a_result_is_checked(key: str, value: object) -> None:
    sound = TaskOutput(run_id="r", status="completed").to_json()
    try:
        found = TaskOutput.from_json(sound | {key: value})
    except RecordError as error:
        assert key in str(error)  # noqa: PT017 - either outcome is right
        return
    json.dumps(found.to_json())
    assert all(isinstance(node, dict) for node in found.ray_nodes)
    assert all(isinstance(number, int | float) for number in found.metrics.values())
