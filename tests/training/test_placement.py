"""How many workers train, and what each gets of the machines."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tmgg.errors import ConfigError
from tmgg.training.placement import Machine, Placement, place_workers

THREE_NODES = [Machine(cpus=8, gpus=0)] * 3
GPU_NODES = [Machine(cpus=16, gpus=4)] * 2


def placed(wanted: int | None, machines: list[Machine], *, use_gpus: bool = False) -> Placement:
    return place_workers(wanted, machines, use_gpus=use_gpus)


def test_without_gpus_every_node_has_one_worker_with_all_its_cpus() -> None:
    assert placed(None, THREE_NODES) == Placement(workers=3, cpus_each=8, gpus_each=0, spread=True)


def test_fewer_workers_than_nodes_are_still_on_nodes_of_their_own() -> None:
    assert placed(2, THREE_NODES) == Placement(workers=2, cpus_each=8, gpus_each=0, spread=True)


def test_more_workers_than_nodes_share_them() -> None:
    assert placed(7, THREE_NODES).cpus_each == 2


def test_with_gpus_every_gpu_has_one_worker() -> None:
    assert placed(None, GPU_NODES, use_gpus=True) == Placement(
        workers=8, cpus_each=4, gpus_each=1, spread=False
    )


def test_a_gpu_that_ray_does_not_list_is_still_one() -> None:
    assert placed(None, [Machine(cpus=4, gpus=0)], use_gpus=True).workers == 1


def test_the_smallest_node_decides() -> None:
    assert placed(None, [Machine(8, 0), Machine(3, 0)]).cpus_each == 3


@pytest.mark.parametrize(
    ("wanted", "machines", "use_gpus", "room"),
    [
        (25, THREE_NODES, False, "24 CPUs in equal parts on its nodes"),
        (9, GPU_NODES, True, "8 GPUs"),
    ],
)
def test_more_workers_than_there_is_room_for_are_refused(
    wanted: int, machines: list[Machine], use_gpus: bool, room: str
) -> None:
    with pytest.raises(ConfigError, match=f"trainer.workers is {wanted}, but the run has {room}"):
        placed(wanted, machines, use_gpus=use_gpus)


@given(
    wanted=st.none() | st.integers(1, 64),
    machines=st.lists(
        st.builds(Machine, cpus=st.integers(1, 64), gpus=st.integers(0, 8)), min_size=1, max_size=8
    ),
)
def test_what_is_placed_fits(wanted: int | None, machines: list[Machine]) -> None:
    try:
        found = placed(wanted, machines)
    except ConfigError:
        return
    fitting = sum(int(machine.cpus // found.cpus_each) for machine in machines)
    assert found.workers == (wanted or len(machines))
    assert fitting >= found.workers
