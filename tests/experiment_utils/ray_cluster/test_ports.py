import itertools
import socket

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tmgg.experiment_utils.ray_cluster.ports import (
    COMPONENTS,
    Block,
    PortsTakenError,
    PortWishes,
    block_starts,
    claim_block,
    is_free,
    plan_ports,
    worker_ports_needed,
)

BLOCK = (20000, 20199)
WISHES = PortWishes(range=(20000, 31999))
NEEDED = worker_ports_needed(1)


def all_free(_port: int) -> bool:
    return True


@pytest.fixture
def range_of_two_blocks() -> PortWishes:
    """Ports of this machine that nobody has now."""
    first = next(port for port in range(41000, 60000, 400) if is_free(port) and is_free(port + 200))
    return PortWishes(range=(first, first + 399))


@given(seed=st.integers(0, 10**9), workers=st.integers(100, 3000), room=st.integers(400, 12000))
def test_blocks_cover_the_range_without_overlap_and_begin_at_the_seed(
    seed: int, workers: int, room: int
) -> None:
    blocks = list(block_starts(20000, 20000 + room - 1, seed=seed, workers=workers))
    assert blocks
    assert all(20000 <= first < last < 20000 + room for first, last in blocks)
    ordered = sorted(blocks)
    assert all(one[1] < other[0] for one, other in itertools.pairwise(ordered))
    assert blocks[0] == ordered[seed % len(blocks)]


def test_a_block_has_one_owner(range_of_two_blocks: PortWishes) -> None:
    blocks = [claim_block(range_of_two_blocks, seed=7, workers=NEEDED) for _ in range(2)]
    assert len({block.first for block in blocks}) == 2
    with pytest.raises(PortsTakenError, match="all ports"):
        claim_block(range_of_two_blocks, seed=7, workers=NEEDED)
    blocks[0].release()
    again = claim_block(range_of_two_blocks, seed=7, workers=NEEDED)
    assert again.first == blocks[0].first
    for block in (again, blocks[1]):
        block.release()


def test_a_block_that_did_not_work_is_not_taken_again(range_of_two_blocks: PortWishes) -> None:
    first, _last = range_of_two_blocks.range
    block = claim_block(range_of_two_blocks, seed=0, workers=NEEDED, avoid=[first])
    assert block.first == first + 200
    block.release()


def test_a_block_keeps_clear_of_ports_that_were_asked_for() -> None:
    range_ = (41000, 41999)
    wishes = PortWishes(range=range_, gcs=41010, workers=(41250, 41450))
    block: Block = claim_block(wishes, seed=0, workers=NEEDED)
    assert block.first >= 41600
    block.release()


def test_a_range_that_is_one_block_has_no_room_beside_a_port_that_was_asked_for() -> None:
    wishes = PortWishes(range=(41000, 41199), gcs=41010)
    with pytest.raises(PortsTakenError, match="41000 to 41199 leave no room beside slurm_ray_port"):
        claim_block(wishes, seed=0, workers=NEEDED)


@given(st.sets(st.integers(*BLOCK), max_size=60))
def test_a_plan_has_a_free_port_for_every_component(taken: set[int]) -> None:
    plan = plan_ports(BLOCK, WISHES, workers=NEEDED, free=lambda port: port not in taken)
    chosen = list(plan.components.values())
    assert list(plan.components) == list(COMPONENTS)
    assert len(set(chosen)) == len(COMPONENTS)
    assert not taken & set(chosen)
    # The first port of a block is the claim on it.
    assert all(BLOCK[0] < port <= BLOCK[1] for port in chosen)
    assert max(chosen) < plan.workers[0] < plan.workers[1] == BLOCK[1]
    assert not plan.notes


def test_a_full_block_is_refused() -> None:
    with pytest.raises(PortsTakenError, match="20000 to 20199"):
        plan_ports(BLOCK, WISHES, workers=NEEDED, free=lambda port: port < 20008)


def test_a_free_port_that_was_asked_for_is_taken() -> None:
    wishes = PortWishes(range=WISHES.range, gcs=6380, workers=(10002, 10999))
    plan = plan_ports(BLOCK, wishes, workers=NEEDED, free=all_free)
    assert plan.components["gcs"] == 6380
    assert plan.workers == (10002, 10999)
    assert not plan.notes


def test_a_taken_port_that_was_asked_for_is_replaced_and_said() -> None:
    wishes = PortWishes(range=WISHES.range, gcs=6380, workers=(10002, 10200))
    plan = plan_ports(
        BLOCK, wishes, workers=NEEDED, free=lambda port: port not in {6380, *range(10002, 10150)}
    )
    assert plan.components["gcs"] in range(*BLOCK)
    assert plan.workers[1] == BLOCK[1]
    gcs, workers = plan.notes
    assert "6380 (slurm_ray_port) is taken" in gcs
    assert "only 51 are free and 100 needed" in workers


@pytest.mark.parametrize(
    ("family", "address"), [(socket.AF_INET, "0.0.0.0"), (socket.AF_INET, "127.0.0.1"),
                            (socket.AF_INET6, "::"), (socket.AF_INET6, "::1")]
)  # fmt: skip
def test_a_port_is_not_free_whatever_address_listens_on_it(
    family: socket.AddressFamily, address: str
) -> None:
    try:
        server = socket.create_server((address, 0), family=family)
    except OSError as error:
        pytest.skip(f"this machine has no {address}: {error}")
    with server:
        port = server.getsockname()[1]
        assert not is_free(port)
    assert is_free(port)
