"""What a runner remembers of submissions between two looks at them.

A run can be removed and another made under its name while a runner lives, in a notebook say. What
is remembered is therefore kept with the submission's token, and forgotten when another is there.
"""

from collections.abc import Callable
from dataclasses import dataclass

from tmgg.experiment_utils.cloud.runs import RunState
from tmgg.experiment_utils.run_folder.paths import SubmissionPaths
from tmgg.experiment_utils.run_folder.submission_files import SubmissionFiles
from tmgg.experiment_utils.run_folder.task import TaskOutput


@dataclass(slots=True)
class Remembered:
    """What is remembered of one submission."""

    token: str | None = None
    """None before it was submitted, and for those of an older TMGG."""
    end: RunState | None = None
    """How it ended; final."""
    read_result: Callable[[], TaskOutput | None] | None = None
    """Reads what it left, from the files that showed its end; kept until somebody takes it."""
    last_known: RunState | None = None
    """How it stood when it could last be read, while it went on."""
    restarts: int = 0
    """How often the backend has said that it started the job again."""
    unproven: str = ""
    """Why the job of the last answer may be another's."""
    backend_id: str | None = None
    """The backend's id of its job, where the job claimed it by a name that the backend does not
    know."""
    is_abandoned: bool = False
    """Whether it only seems that nobody will submit it."""
    missing_since_s: float | None = None
    """Since when something is missing, by the monotonic clock."""

    def is_of(self, token: str | None) -> bool:
        """Whether the submission with this token may be the one remembered."""
        if token is None or token == self.token:
            return True
        return self.token is None and self.end is None


class Memory:
    """What one runner remembers."""

    def __init__(self) -> None:
        self._remembered: dict[SubmissionPaths, Remembered] = {}

    def of(self, files: SubmissionFiles) -> Remembered:
        """What is remembered of the very submission that these files belong to."""
        token = files.token
        found = self.at(files.paths)
        if not found.is_of(token):
            self.forget(files.paths)
            found = self.at(files.paths)
        found.token = token or found.token
        return found

    def at(self, submission: SubmissionPaths) -> Remembered:
        """What is remembered of the submission that was there last. Looks at nothing."""
        return self._remembered.setdefault(submission, Remembered())

    def forget(self, submission: SubmissionPaths) -> None:
        """Its place is another's now."""
        self._remembered.pop(submission, None)
