"""What a run used, as `show` and `explain` tell it."""

from typing import Any

from tmgg.errors import RunError
from tmgg.experiment_utils.cloud.judging.polling import Found
from tmgg.experiment_utils.run_folder.attempts import record_of
from tmgg.experiment_utils.run_folder.paths import SubmissionPaths
from tmgg.experiment_utils.run_folder.submission_files import SubmissionFiles
from tmgg.experiment_utils.sampling.advice import advise
from tmgg.experiment_utils.sampling.reading import find_use


def describe_use(last: SubmissionPaths, found: Found) -> dict[str, Any]:
    """`used`, or null; and `advice`, of a run that has ended."""
    use = find_use(SubmissionFiles(last))
    if use is None:
        return {"used": None, "advice": []}
    return {
        "used": use.to_json(),
        "advice": advise(use, _settings(last)) if _has_ended(found) else [],
    }


def _has_ended(found: Found) -> bool:
    return not isinstance(found, RunError) and found.final


def _settings(last: SubmissionPaths) -> dict[str, Any]:
    try:
        return record_of(last).settings
    except (RunError, OSError):
        return {}
