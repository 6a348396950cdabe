"""What a runner remembers of submissions between two looks at them.

While a runner lives, for example in a notebook, a run can be removed and another run made under its
name. So the memory is kept with the submission's token, and forgotten if the token has changed.
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
    """None before the submission, and for submissions of an older TMGG."""
    end: RunState | None = None
    """The final state; None if it has not ended."""
    read_result: Callable[[], TaskOutput | None] | None = None
    """Returns its result, from the files that showed its end; kept until a caller takes it."""
    last_known: RunState | None = None
    """The last state that was read before it ended."""
    restarts: int = 0
    """How often the backend restarted the job: the largest number that it has reported."""
    unproven: str = ""
    """Why the last answer may be about another submission's job; empty if it is not."""
    backend_id: str | None = None
    """The backend's id of its job, if the job claimed it under a name that the backend does not
    know."""
    is_abandoned: bool = False
    """Whether the submission seems abandoned, without proof."""
    missing_since_s: float | None = None
    """Monotonic time since which something is missing; None if nothing is."""

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
        """What is remembered of the submission that these files belong to, and of no other."""
        token = files.token
        found = self.at(files.paths)
        if not found.is_of(token):
            self.forget(files.paths)
            found = self.at(files.paths)
        found.token = token or found.token
        return found

    def at(self, submission: SubmissionPaths) -> Remembered:
        """What is remembered of the last submission at this place. Reads no files."""
        return self._remembered.setdefault(submission, Remembered())

    def forget(self, submission: SubmissionPaths) -> None:
        """Forget the submission, because another one is in its place."""
        self._remembered.pop(submission, None)
