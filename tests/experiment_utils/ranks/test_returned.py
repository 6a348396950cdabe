"""How long processes may take to end once their ranks have returned."""

from collections.abc import Callable

import pytest

from tmgg.experiment_utils.ranks.returned import EXIT_GRACE_S, ReturnedRanks
from tmgg.experiment_utils.ray_cluster.loop import Loop, Timer
from tmgg.experiment_utils.run_folder.task import TaskOutput


class FakeLoop(Loop):
    """Notes its timers."""

    def __init__(self) -> None:
        self.delays_s: list[float] = []

    def after(self, delay_s: float, callback: Callable[[], None]) -> Timer:
        self.delays_s.append(delay_s)
        return Timer(callback)


@pytest.fixture
def loop() -> FakeLoop:
    return FakeLoop()


@pytest.fixture
def returned(loop: FakeLoop) -> ReturnedRanks:
    return ReturnedRanks(loop, world_size=3, on_over=lambda: None)


def test_the_time_begins_when_the_last_rank_has_returned_or_ended(
    loop: FakeLoop, returned: ReturnedRanks
) -> None:
    ended: set[int] = set()
    returned.add(2, "node2")
    returned.bound_exits(ended)
    ended.add(0)
    returned.bound_exits(ended)
    assert loop.delays_s == []

    returned.add(1, "node1")
    returned.bound_exits(ended)
    ended.add(1)
    returned.bound_exits(ended)
    assert loop.delays_s == [EXIT_GRACE_S]


def test_the_results_of_processes_that_go_on_are_ends(
    returned: ReturnedRanks, capsys: pytest.CaptureFixture[str]
) -> None:
    for rank in (2, 1, 0):
        returned.add(rank, f"node{rank}")
    unseen = 2

    def read(rank: int) -> TaskOutput | None:
        return None if rank == unseen else TaskOutput(run_id="run", status="completed")

    (end,) = returned.ends({0}, read)
    assert (end.rank, end.node, end.status, end.told_to_end) == (1, "node1", "completed", False)
    assert "rank 1 returned, and its process has not ended" in capsys.readouterr().err
    assert returned.ends({0, 1, 2}, read) == []
