"""`tmgg-jobs retry --set`: other options for the next attempt of a run."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from tmgg.errors import ConfigError, RunError
from tmgg.experiment_utils.cloud.runner import CloudRunner
from tmgg.experiment_utils.cloud.runs_on_record.known_run import KnownRun
from tmgg.experiment_utils.job.artifacts import check_url
from tmgg.experiment_utils.run_folder.attempts import (
    AttemptRequest,
    newest_submission,
    read_payload,
    record_of,
    task_of_attempt,
)
from tmgg.experiment_utils.run_folder.registry import RunRecord
from tmgg.experiment_utils.run_folder.task import TaskInput
from tmgg.hydra_plugins.launcher_options import LauncherOptions, split_options

_OF_THE_TASK = ("timeout_seconds", "artifact_url")
_ELSEWHERE = {
    "output_dir": "the run's record is there, and stays there",
    "sweep_mode": "a retry submits each run by itself",
    "runs_per_node": "a retry submits each run by itself",
}


@dataclass(frozen=True, kw_only=True, slots=True)
class Changes:
    """The options that were given with --set, for runs of one backend."""

    backend: str
    settings: Mapping[str, Any] = field(default_factory=dict)
    """Fields of the backend's config."""
    of_task: Mapping[str, Any] = field(default_factory=dict)


def ask_for(run: KnownRun, given: Mapping[str, Any]) -> AttemptRequest:
    """Make the next attempt of a run with the launcher keys that were given, and check them.

    Raises ConfigError for an option that is not valid, RunError for a record that cannot be used.
    """
    if isinstance(run.record, RunError):
        raise run.record
    changes = _changes(given, run.record.backend)
    submission = newest_submission(run.paths)
    record, task = record_of(submission), task_of_attempt(submission)
    changed = _with_settings(record, changes)
    new_task = replace(task, **_task_changes(task, record, changed, changes))
    if new_task == task:
        return AttemptRequest(record=changed)
    return AttemptRequest(record=changed, task=new_task, payload=read_payload(submission))


def _changes(given: Mapping[str, Any], backend: str) -> Changes:
    settings, general = split_options(given, backend)
    for name, why in _ELSEWHERE.items():
        if name in settings:
            raise ConfigError(f"--set {backend}_{name}: a retry cannot change it: {why}")
    if "gpu_type" in general:
        settings["gpu_type"] = general.pop("gpu_type")
    others = [name for name in general if name not in _OF_THE_TASK]
    if others:
        raise ConfigError(
            f"--set {others[0]}: this is an option of a launch, not of one run. You can set "
            f"options of the {backend} backend ({backend}_...), gpu_type, "
            f"{' and '.join(_OF_THE_TASK)}."
        )
    return Changes(backend=backend, settings=settings, of_task=general)


def _with_settings(record: RunRecord, changes: Changes) -> RunRecord:
    runner = _runner(record, changes.settings)
    return replace(record, settings=dict(runner.runs.traits.settings))


def _runner(record: RunRecord, settings: Mapping[str, Any]) -> CloudRunner:
    options = {**record.settings, **settings}
    return LauncherOptions(backend=record.backend, backend_options=options).make_runner()


def _task_changes(
    task: TaskInput, record: RunRecord, changed: RunRecord, changes: Changes
) -> dict[str, Any]:
    """Changes of the task. A time limit that was the backend's default follows the new default."""
    found = dict(changes.of_task)
    if found.get("artifact_url") is not None:
        check_url("artifact_url", found["artifact_url"])
    LauncherOptions(backend=record.backend, **found)  # the checks of the launcher
    before, after = (_runner(each, {}).runs.traits.default_timeout_s for each in (record, changed))
    if task.timeout_seconds == before != after:
        found.setdefault("timeout_seconds", after)
    return found


def parse_settings(texts: Sequence[str]) -> dict[str, Any]:
    """Parse `key=value` texts as on a launcher's command line. Raises ConfigError."""
    from tmgg.cli.launcher_file import parse_overrides

    return parse_overrides(texts)
