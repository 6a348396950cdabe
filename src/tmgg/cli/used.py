"""What a run used, as `show` and `explain` print it."""

from dataclasses import replace
from typing import Any

from tmgg.errors import RecordError, RunError
from tmgg.experiment_utils.cloud.judging.polling import Found
from tmgg.experiment_utils.run_folder.attempts import record_of
from tmgg.experiment_utils.run_folder.paths import BatchPaths, SubmissionPaths
from tmgg.experiment_utils.run_folder.submission_files import SubmissionFiles
from tmgg.experiment_utils.sampling.advice import advise
from tmgg.experiment_utils.sampling.reading import find_use
from tmgg.experiment_utils.sampling.used import RunUse


def describe_use(last: SubmissionPaths, found: Found) -> dict[str, Any]:
    """`used` (null if it is not known), and `advice` about a run that has ended."""
    files = SubmissionFiles(last)
    use = find_use(files)
    if use is None:
        return {"used": None, "advice": []}
    settings = _settings(last)
    return {
        "used": _of_its_own(use, settings).to_json(),
        "advice": advice_of(use, settings, found, is_packed=find_packed_in(files) is not None),
    }


def advice_of(use: RunUse, settings: dict[str, Any], found: Found, *, is_packed: bool) -> list[str]:
    """Advice about the resources of a run that has ended; none for a run that goes on."""
    if isinstance(found, RunError) or not found.final:
        return []
    return advise(use, settings, is_packed=is_packed, starts=found.attempt)


def find_packed_in(files: SubmissionFiles) -> BatchPaths | None:
    """The packed job that has the run; None if there is none, or its record cannot be read."""
    try:
        return files.packed_in
    except (RecordError, OSError):
        return None


def _of_its_own(use: RunUse, settings: dict[str, Any]) -> RunUse:
    """A run may see all CPUs of its machine but have only a part of them (cpus_per_run)."""
    given = settings.get("cpus_per_run")
    if not isinstance(given, int) or use.cpus_allotted is None:
        return use
    return replace(use, cpus_allotted=min(given, use.cpus_allotted))


def _settings(last: SubmissionPaths) -> dict[str, Any]:
    try:
        return record_of(last).settings
    except (RunError, OSError):
        return {}
