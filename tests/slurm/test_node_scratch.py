"""Ray's folder on each node where sites have their disks, with the real Ray's sockets in it."""

import pytest

from tests.slurm.login import Login
from tests.slurm.trial import Trial, config, new_id
from tmgg.experiment_utils.ray_cluster.scratch_name import LONGEST_OF_RAY

NODES = 3
PER_JOB = "/local/nvme/$SLURM_JOB_ID"
# Process numbers are small here, and only one Ray with a dashboard has its longest name.
SHORTER = len("4194304") + len("dash_TaskEventsHead") - len("plasma_store")
MODULE = """
import os
from pathlib import Path


def sockets(config):
    import ray
    if not ray.is_initialized():
        ray.init(address="auto")
    folder = Path(os.environ["RAY_TMPDIR"])
    names = [str(path) for path in folder.rglob("*") if path.is_socket()]
    assert names, "Ray has no sockets here"
    Path("folder").write_text(str(folder))
    return {
        "nodes": len([node for node in ray.nodes() if node["Alive"]]),
        "longest": max(len(name) - len(str(folder)) for name in names),
    }
"""


@pytest.mark.long
@pytest.mark.timeout(400)
@pytest.mark.parametrize(
    ("bootstrap", "scratch"),
    [
        ("managed", "/localscratch"),
        ("managed", PER_JOB),
        ("symmetric-run", "/scratch/local"),
        ("symmetric-run", PER_JOB),
    ],
)
def test_ray_runs_on_three_nodes_below_a_sites_scratch_folder(
    alice: Login, trial: Trial, bootstrap: str, scratch: str
) -> None:
    nodes = alice.cluster.options.node_names
    parent = scratch.removesuffix("/$SLURM_JOB_ID")
    for node in nodes:
        make = ["mkdir", "-p", "-m", "1777", parent]
        alice.cluster.run(make, user="root", machine=node, check=True)
    alice.write("scratches.py", MODULE)
    everywhere = "srun --nodes=$SLURM_JOB_NUM_NODES --ntasks=$SLURM_JOB_NUM_NODES"
    trial.settings |= {
        "nodes": NODES, "ray_bootstrap": bootstrap, "node_scratch": scratch, "mem_per_cpu": "2GB",
        # At a site, Slurm's prolog makes it.
        "setup_commands": [f"{everywhere} mkdir -p {scratch}"],
        "exclusive": bootstrap == "symmetric-run",
    }  # fmt: skip
    run_id = new_id()
    asked = config("quick") | {"experiment": {"_target_": "scratches:sockets"}}
    reply = trial.call("spawn", run_id, config=asked)
    assert reply.error is None, reply.message
    result = trial.result(run_id, timeout_s=240)
    assert result["status"] == "completed", result
    assert result["metrics"]["nodes"] == NODES
    assert len(LONGEST_OF_RAY) - SHORTER < result["metrics"]["longest"] <= len(LONGEST_OF_RAY)
    expected = scratch.replace("$SLURM_JOB_ID", trial.job_id(run_id))
    assert alice.read("folder").rpartition("/")[0] == expected
    trial.wait_until(lambda: not left(alice, parent), "folders that are removed")


def left(alice: Login, parent: str) -> str:
    """What of the jobs' folders is still on the nodes."""
    find = ["find", parent, "-name", "tmgg-*"]
    nodes = alice.cluster.options.node_names
    return "".join(alice.cluster.run(find, user="root", machine=node).stdout for node in nodes)
