"""What a backend refused once it is not asked again for the other runs of the same sweep.

They ask for the same: only their tasks differ.
"""

import contextlib
from collections.abc import Iterator

from tmgg.errors import RefusedError, SubmissionError, SubmissionUnknownError, SubmitLimitError


class SweepRefusal:
    """The refusal that one sweep met, which is submitted run by run."""

    def __init__(self) -> None:
        self.known = ""
        """What the backend would say of the next run; empty while that is open."""
        self._last_words = ""

    @contextlib.contextmanager
    def noted(self) -> Iterator[None]:
        """Around each submission."""
        try:
            yield
        except (SubmitLimitError, SubmissionUnknownError):
            raise  # neither is a refusal
        except SubmissionError as error:
            # A command that ended in another way may have been unlucky once.
            if isinstance(error, RefusedError) or str(error) == self._last_words:
                self.known = str(error)
            self._last_words = str(error)
            raise
        self._last_words = ""
