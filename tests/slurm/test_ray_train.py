"""Training on every node of an allocation, with what becomes of it when a node dies."""

from collections.abc import Iterator

import pytest

from slurm_cluster import Cluster
from tests.slurm.outages import power_off, settings
from tests.slurm.training import (
    RAY,
    TOLERANCE,
    log,
    nodes_of,
    smoke,
    spawn,
    uninterrupted,
    wait_for_checkpoint,
)
from tests.slurm.trial import Trial


@pytest.fixture
def brisk(cluster: Cluster) -> Iterator[None]:
    """The controller gives a silent node up soon."""
    with settings(cluster, SlurmdTimeout="5"):
        yield


@pytest.fixture
def on_nodes(trial: Trial) -> Trial:
    """Runs of three nodes with the managed bootstrap."""
    trial.settings |= RAY
    return trial


@pytest.mark.long
@pytest.mark.timeout(600)
@pytest.mark.parametrize("workers", [1, 2, 3])
def test_any_number_of_workers_comes_to_the_same(on_nodes: Trial, workers: int) -> None:
    run_id = spawn(on_nodes, smoke(workers=None if workers == 3 else workers))
    allocated = nodes_of(on_nodes, run_id)
    result = on_nodes.result(run_id, timeout_s=300)
    assert result["status"] == "completed", log(on_nodes, run_id)
    alone = uninterrupted()
    assert abs(result["metrics"]["val_loss"] - alone["val_loss"]) < TOLERANCE
    assert result["metrics"]["gap_closed"] >= 0.75
    assert result["metrics"]["steps"] == alone["steps"] == 300
    assert [worker["rank"] for worker in result["workers"]] == list(range(workers))
    used = [worker["node"] for worker in result["workers"]]
    assert len(set(used)) == workers
    assert set(used) <= set(allocated)
    assert len(allocated) == 3


@pytest.mark.long
@pytest.mark.timeout(900)
@pytest.mark.parametrize(
    ("place", "no_kill", "attempts", "workers"),
    [
        pytest.param(2, True, 1, 2, id="a-worker-in-a-job-that-goes-on"),
        pytest.param(2, False, 2, 3, id="a-worker-in-a-job-that-begins-again"),
        pytest.param(0, False, 2, 3, id="the-head"),
    ],
)
def test_a_node_that_loses_power_costs_no_more_than_time(
    brisk: None,
    on_nodes: Trial,
    cluster: Cluster,
    place: int,
    no_kill: bool,
    attempts: int,
    workers: int,
) -> None:
    on_nodes.settings |= {"no_kill": no_kill, "requeue": True}
    run_id = spawn(on_nodes, smoke(steps=1500))
    waiting = on_nodes.start("result", run_id)
    wait_for_checkpoint(on_nodes, run_id)
    victim = nodes_of(on_nodes, run_id)[place]
    with power_off(cluster, victim):
        result = on_nodes.finish(waiting, timeout_s=600).answer
    assert result["status"] == "completed", log(on_nodes, run_id)
    alone = uninterrupted(steps=1500)
    assert abs(result["metrics"]["val_loss"] - alone["val_loss"]) < TOLERANCE
    assert result["metrics"]["steps"] == 1500
    assert result["attempts"] == attempts
    used = {worker["node"] for worker in result["workers"]}
    assert len(used) == workers
    assert victim not in used
