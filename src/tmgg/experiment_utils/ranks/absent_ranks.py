"""Ranks whose supervisor ended before it could connect to the hub."""

from collections.abc import Callable, Collection

from tmgg.experiment_utils.cloud.judging.diagnosis import ABSENT_RANK, LOST_RANK
from tmgg.experiment_utils.ranks.decision import Absence
from tmgg.experiment_utils.ranks.options import RankOptions
from tmgg.experiment_utils.ray_cluster.loop import Loop
from tmgg.experiment_utils.ray_cluster.task_ends import TaskEnd, watch

SETTLE_S = 1.0
"""The last words of a task may come into the log after srun has written its end."""
_LOG_LINES = 30

OnAbsent = Callable[[int, str, Absence], None]


class AbsentRanks:
    """Calls `on_absent(rank, node, absence)` once, for the first rank that cannot begin.

    `connected` returns the ranks that have connected; None if there is no need to look any more.
    """

    def __init__(
        self,
        loop: Loop,
        options: RankOptions,
        *,
        connected: Callable[[], Collection[int] | None],
        on_absent: OnAbsent,
    ) -> None:
        self._loop = loop
        self._own = options.rank.rank
        self._log = options.step_log
        self._connected = connected
        self._on_absent = on_absent

    def look(self) -> None:
        """Begin to look; does nothing if it is not known where srun writes."""
        if self._log is not None:
            watch(self._loop, self._log, self._look)

    def last_words(self) -> str:
        """The last lines that srun and the tasks have written."""
        return "" if self._log is None else "\n".join(self._log.read().splitlines()[-_LOG_LINES:])

    def _look(self, ends: list[TaskEnd]) -> bool:
        connected = self._connected()
        if connected is None:
            return False
        absent = [end for end in ends if end.rank != self._own and end.rank not in connected]
        if absent:
            first = min(absent, key=lambda end: end.rank)
            self._loop.after(SETTLE_S, lambda: self._report(first))
        return not absent

    def _report(self, task: TaskEnd) -> None:
        kind = ABSENT_RANK if task.has_exited else LOST_RANK
        self._on_absent(task.rank, task.node, Absence(kind, task.words))
