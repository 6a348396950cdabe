"""The note of a run's last retry, if the backend refused it; the run itself is unchanged then."""

import logging
import time
from dataclasses import asdict, dataclass, field

from tmgg.errors import RecordError
from tmgg.experiment_utils.files.atomic_file import JsonDict, write_json
from tmgg.experiment_utils.files.trust import read_json
from tmgg.experiment_utils.run_folder.attempt_changes import changes_of
from tmgg.experiment_utils.run_folder.paths import LAYOUT_VERSION, RunPaths, SubmissionPaths
from tmgg.experiment_utils.run_folder.records import parse_record

log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True, slots=True)
class RefusedRetry:
    """The content of `refused_retry.json`."""

    after: int
    """The number of the newest submission, before the retry and after it."""
    message: str
    """The backend's message."""
    changes: list[JsonDict] = field(default_factory=list)
    """How the retry differed from the submission before; see `attempt_changes`."""
    at: float = field(default_factory=time.time)

    def to_json(self) -> JsonDict:
        return {"version": LAYOUT_VERSION, **asdict(self)}


def note_refused_retry(refused: SubmissionPaths, message: str) -> None:
    """Call this before the refused submission is removed. If writing fails, a warning is logged."""
    paths = refused.run_paths
    value = RefusedRetry(after=refused.number - 1, message=message, changes=changes_of(refused))
    try:
        write_json(paths.refused_retry, value.to_json())
    except OSError as error:
        log.warning("could not note that a retry of run %s was refused: %s", paths.run_id, error)


def read_refused_retry(paths: RunPaths) -> RefusedRetry | None:
    """The note; None if the last retry was not refused, or if the note cannot be read."""
    try:
        value = read_json(paths.refused_retry)
        if value is None:
            return None
        what = str(paths.refused_retry)
        found = parse_record(RefusedRetry, value, what=what, newest_version=LAYOUT_VERSION)
    except (RecordError, OSError) as error:
        log.info("%s", error)
        return None
    return found if found.after == max(paths.submission_numbers(), default=1) else None
