"""What the screens need of the program that shows them."""

from collections.abc import Callable
from typing import Literal, Protocol

from tmgg.cli.top.snapshot import Snapshot

Severity = Literal["information", "error"]


class Host(Protocol):
    """`TopApp`, as the screens know it."""

    snapshot: Snapshot | None
    """What the last look saw; None before the first."""

    def open_group(self, key: str) -> None:
        """Show the runs of a sweep."""
        ...

    def open_run(self, key: str) -> None:
        """Show the page of a run."""
        ...

    def act(self, doing: Callable[[], str]) -> None:
        """Do something that may take long, and show the text that it returns."""
        ...

    def say(self, text: str, severity: Severity = "information") -> None:
        """Say something in a corner."""
        ...
