"""The differences between what a submission of a run asked for and what the one before did."""

import json
from typing import Any

from tmgg.errors import RunError
from tmgg.experiment_utils.identity.run_identity import load_identity
from tmgg.experiment_utils.run_folder.attempts import record_of, task_of_attempt
from tmgg.experiment_utils.run_folder.paths import SubmissionPaths
from tmgg.experiment_utils.run_folder.task import TaskInput

NO_VALUE = "(none)"
SHORT = 8
"""The first letters of a fingerprint, as many as tell versions of a program apart."""


def changes_of(paths: SubmissionPaths) -> list[dict[str, str]]:
    """For each difference its name (`what`) and both values (`before`, `after`).

    Empty for the first submission, and if the records cannot be read.
    """
    if paths.number == 1:
        return []
    earlier = paths.run_paths.submission(paths.number - 1)
    try:
        one, other = _asked_for(earlier), _asked_for(paths)
    except (RunError, OSError):
        return []
    return [
        {"what": name, "before": one.get(name, NO_VALUE), "after": other.get(name, NO_VALUE)}
        for name in sorted(one.keys() | other.keys())
        if one.get(name) != other.get(name)
    ]


def _asked_for(paths: SubmissionPaths) -> dict[str, str]:
    record, task = record_of(paths), task_of_attempt(paths)
    options = {f"{record.backend}_{name}": value for name, value in record.settings.items()}
    beside = {
        "timeout_seconds": task.timeout_seconds,
        "artifact_url": task.artifact_url,
        "working directory": record.base_dir,
        "TMGG": record.tmgg_version,
        "code": _version_of(task),
    }
    # The config is left out: with other values than places and times it would be another run.
    return {name: _shown(value) for name, value in (options | beside).items()}


def _version_of(task: TaskInput) -> str | None:
    """The program's code when the attempt was submitted."""
    identity = load_identity(task.identity, what=task.run_id)
    if identity is None or identity.source is None:
        return None
    return f"{identity.label} {identity.source[:SHORT]}"


def _shown(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)
