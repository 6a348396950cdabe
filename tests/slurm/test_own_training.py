"""A Lightning project of somebody's own, on every node of an allocation that loses one."""

from pathlib import Path

import pytest

from slurm_cluster import Cluster
from tests.slurm.outages import power_off, settings
from tests.slurm.training import RAY, log, nodes_of, spawn, wait_for_checkpoint
from tests.slurm.trial import Trial

PACKAGE = Path(__file__).parent / "own_project"
STEPS = 1200


def install(trial: Trial) -> None:
    """The project as its owner has it: a package and its data, in the folder she works in."""
    for source in PACKAGE.glob("*.py"):
        trial.login.write(f"{PACKAGE.name}/{source.name}", source.read_text())
    places = [(x / 8 - 1, y / 8 - 1) for x in range(16) for y in range(8)]
    lines = [f"{x},{y},{2 * x - y + 0.5}\n" for x, y in places]
    trial.login.write(f"{PACKAGE.name}/points.csv", "".join(lines))


@pytest.mark.long
@pytest.mark.timeout(900)
def test_a_project_of_ones_own_trains_on_three_nodes_loses_one_and_finishes(
    trial: Trial, cluster: Cluster
) -> None:
    install(trial)
    trial.settings |= RAY | {"no_kill": True, "requeue": True}
    with settings(cluster, SlurmdTimeout="5"):
        target = f"{PACKAGE.name}.training:run"
        run_id = spawn(trial, {"steps": STEPS, "step_s": 0.05}, target=target)
        waiting = trial.start("result", run_id)
        wait_for_checkpoint(trial, run_id)
        allocated = nodes_of(trial, run_id)
        assert len(allocated) == 3
        with power_off(cluster, allocated[2]):
            result = trial.finish(waiting, timeout_s=600).answer
    said = log(trial, run_id)
    assert result["status"] == "completed", said
    assert result["attempts"] == 1
    assert result["metrics"]["steps"] == STEPS
    assert result["metrics"]["val_loss"] < 1e-3
    assert "training on 2 workers of the 3 asked for" in said
    assert [worker["rank"] for worker in result["workers"]] == [0, 1]
    assert {worker["node"] for worker in result["workers"]} == {*allocated[:2]}
    assert trial.login.cluster.run(["test", "-s", result["checkpoint_path"]], user="alice")
