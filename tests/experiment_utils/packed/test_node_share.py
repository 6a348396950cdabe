"""How a node is divided among its runs."""

from hypothesis import given
from hypothesis import strategies as st

from tmgg.experiment_utils.packed.node_share import default_runs_per_node, divide, part


def gpus_of(runs: int, gpus: list[str]) -> list[tuple[str, ...]]:
    shares = divide(runs=runs, cpus=8, affinity=range(8), gpus={"CUDA_VISIBLE_DEVICES": gpus})
    return [share.gpus["CUDA_VISIBLE_DEVICES"] for share in shares]


def test_runs_have_a_gpu_each_or_share_one_or_have_several() -> None:
    assert gpus_of(2, ["0", "1"]) == [("0",), ("1",)]
    assert gpus_of(4, ["0", "1"]) == [("0",), ("0",), ("1",), ("1",)]
    assert gpus_of(2, ["0", "1", "2", "3"]) == [("0", "1"), ("2", "3")]
    assert gpus_of(2, []) == [(), ()]


def test_cpus_are_divided_where_they_are_the_jobs_own() -> None:
    own = divide(runs=2, cpus=4, affinity=[4, 5, 6, 7], gpus={})
    assert [share.cpus for share in own] == [(4, 5), (6, 7)]
    assert [share.threads for share in own] == [2, 2]


def test_cpus_of_a_node_that_confines_no_job_are_left_to_the_kernel() -> None:
    shared = divide(runs=2, cpus=4, affinity=range(64), gpus={})
    assert [share.cpus for share in shared] == [(), ()]
    assert [share.threads for share in shared] == [2, 2]


def test_a_share_without_gpus_says_nothing_about_them() -> None:
    (share,) = divide(runs=1, cpus=1, affinity=[0], gpus={})
    assert share.environment == {}
    both = {"CUDA_VISIBLE_DEVICES": ["GPU-a", "GPU-b"], "HIP_VISIBLE_DEVICES": []}
    (share,) = divide(runs=1, cpus=1, affinity=[0], gpus=both)
    assert share.environment == {"CUDA_VISIBLE_DEVICES": "GPU-a,GPU-b"}


def test_as_many_runs_as_gpus_else_as_cpus() -> None:
    assert default_runs_per_node(cpus=8, gpus=0) == 8
    assert default_runs_per_node(cpus=8, gpus=4) == 4
    assert default_runs_per_node(cpus=2, gpus=4) == 2
    assert default_runs_per_node(cpus=1, gpus=0) == 1


@given(st.integers(1, 40), st.integers(1, 40))
def test_every_item_has_a_run_and_every_run_an_item(count: int, parts: int) -> None:
    items = list(range(count))
    found = [part(items, parts, index) for index in range(parts)]
    assert all(found)
    assert {item for each in found for item in each} == set(items)
    if parts <= count:
        assert sum(len(each) for each in found) == count
        assert max(map(len, found)) - min(map(len, found)) <= 1
    else:
        users = [sum(item in each for each in found) for item in items]
        assert max(users) - min(users) <= 1
