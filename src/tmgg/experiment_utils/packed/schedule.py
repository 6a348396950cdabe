"""Decides which run starts next, and where. It uses no clock, no Ray and no files."""

from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

# A run whose node is lost is started again, up to so many starts: the run itself may be the cause.
STARTS = 3


@dataclass(frozen=True, slots=True)
class Place:
    """One slot of a node, which takes one run at a time."""

    node: str
    slot: int


@dataclass(frozen=True, slots=True)
class Assignment:
    """A run to start now."""

    run: str
    place: Place


class Schedule:
    """Assigns runs in their order, each to the node with the most free slots."""

    def __init__(self, runs: Iterable[str], *, starts: int = STARTS) -> None:
        self._waiting = deque(runs)
        self._starts = starts
        self._made: dict[str, int] = {}
        self._free: dict[str, list[int]] = {}
        self._running: dict[str, Place] = {}

    @property
    def is_done(self) -> bool:
        return not self._waiting and not self._running

    @property
    def waiting(self) -> Sequence[str]:
        """Runs that have not begun, or must begin again."""
        return list(self._waiting)

    @property
    def running(self) -> Sequence[str]:
        return list(self._running)

    def add_node(self, node: str, *, runs_at_once: int) -> None:
        """Add a node that can take runs."""
        self._free[node] = list(reversed(range(runs_at_once)))

    def next(self) -> Assignment | None:
        """The next run and its place, noted as running; None if no run can start now."""
        roomy = max(self._free, key=lambda node: len(self._free[node]), default=None)
        if roomy is None or not self._free[roomy] or not self._waiting:
            return None
        run = self._waiting.popleft()
        place = Place(roomy, self._free[roomy].pop())
        self._running[run] = place
        self._made[run] = self._made.get(run, 0) + 1
        return Assignment(run, place)

    def ended(self, run: str) -> None:
        """Note that a run has ended, in any way."""
        place = self._running.pop(run)
        if place.node in self._free:
            self._free[place.node].append(place.slot)

    def lost(self, run: str) -> bool:
        """Note that a run was lost; return whether it waits for another start."""
        self.ended(run)
        if self._made[run] >= self._starts:
            return False
        self._waiting.appendleft(run)
        return True

    def remove_node(self, node: str) -> None:
        """Start no more runs on this node."""
        self._free.pop(node, None)

    def drop_waiting(self) -> Sequence[str]:
        """Start no more runs at all; return the runs that will not begin."""
        dropped = list(self._waiting)
        self._waiting.clear()
        return dropped
