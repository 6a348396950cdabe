"""If a backend refuses one run of a sweep, it is not asked about the other runs of that sweep.

All runs of a sweep ask for the same resources; only their tasks differ.
"""

import contextlib
from collections.abc import Iterator

from tmgg.errors import RefusedError, SubmissionError, SubmissionUnknownError, SubmitLimitError


class SweepRefusal:
    """The refusal of a sweep whose runs are submitted one by one."""

    def __init__(self) -> None:
        self.known = ""
        """The message with which the backend would refuse the next run; empty if not known."""
        self._last_words = ""

    @contextlib.contextmanager
    def noted(self) -> Iterator[None]:
        """Around each submission: notes a refusal, and raises it again."""
        try:
            yield
        except (SubmitLimitError, SubmissionUnknownError):
            raise  # neither is a refusal
        except SubmissionError as error:
            # Any other error counts as a refusal only if two runs get the same message in a row.
            if isinstance(error, RefusedError) or str(error) == self._last_words:
                self.known = str(error)
            self._last_words = str(error)
            raise
        self._last_words = ""
