"""Ranks that have returned but whose processes have not ended: libraries may hang at their exit.

Their results count. As long as one rank is at work, the exits of the others may take any time,
because they may wait for it. When all have returned or ended, the exits may take `EXIT_GRACE_S`.
"""

import sys
from collections.abc import Callable, Collection

from tmgg.experiment_utils.ranks.decision import RankEnd
from tmgg.experiment_utils.ray_cluster.loop import Loop
from tmgg.experiment_utils.run_folder.task import TaskOutput

EXIT_GRACE_S = 120.0
"""Enough for threads that upload a last file; longer would waste idle GPUs."""
_SHOWN = 10


class ReturnedRanks:
    """Calls `on_over` once, `EXIT_GRACE_S` after the last rank has returned."""

    def __init__(self, loop: Loop, *, world_size: int, on_over: Callable[[], None]) -> None:
        self._loop = loop
        self._world_size = world_size
        self._on_over = on_over
        self._nodes: dict[int, str] = {}
        self._counts_down = False

    def __contains__(self, rank: int) -> bool:
        return rank in self._nodes

    def add(self, rank: int, node: str) -> None:
        """Note that the rank has written its result, and has not failed."""
        self._nodes[rank] = node

    def bound_exits(self, ended: Collection[int]) -> None:
        """Begin to limit the time of the exits, if each rank has returned or is one of `ended`."""
        if not self._counts_down and len(self._nodes.keys() | ended) == self._world_size:
            self._counts_down = True
            self._loop.after(EXIT_GRACE_S, self._on_over)

    def ends(
        self, ended: Collection[int], read: Callable[[int], TaskOutput | None]
    ) -> list[RankEnd]:
        """The ends of the ranks whose processes have not ended and whose results can be read."""
        outputs = {rank: read(rank) for rank in sorted(self._nodes.keys() - ended)}
        found = [
            RankEnd(rank=rank, node=self._nodes[rank], code=0, output=output)
            for rank, output in outputs.items()
            if output is not None
        ]
        if found:
            names = ", ".join(str(end.rank) for end in found[:_SHOWN])
            sys.stderr.write(
                f"tmgg: rank {names} returned, and its process has not ended; it is killed\n"
            )
        return found
