"""What a real Slurm refuses for good ends a launch before it writes; what may pass ends none."""

import json
from collections.abc import Iterator

import pytest

from slurm_cluster import Cluster
from tests.slurm.login import PYTHON, Login

SMALL: dict[str, object] = {
    "nodes": 1, "cpus_per_task": 1, "gpus_per_task": 0, "mem_per_cpu": "1GB", "exclusive": False,
}  # fmt: skip
REFUSED: list[tuple[dict[str, object], str, str]] = [
    ({"account": "nobody"}, "Invalid account", "Your accounts: research."),
    ({"qos": "nobody"}, "Invalid qos", "slurm_qos is nobody. Your QOS: "),
    ({"constraint": "nope"}, "Invalid feature", "slurm_constraint is nope."),
    ({"reservation": "nope"}, "Requested reservation is invalid", "slurm_reservation is nope."),
    ({"nodelist": "nope9"}, "Invalid node name", "slurm_nodelist is nope9."),
    ({"exclude": "nope9"}, "Invalid node name", "slurm_exclude is nope9."),
    ({"sbatch_options": {"licenses": "nope"}}, "Invalid license", "slurm_sbatch_options is "),
    ({"tasks_per_node": 99}, "More processors requested", "slurm_tasks_per_node is 99"),
    ({"gpus_per_task": 1, "gpu_type": "nope"}, "Requested node configuration", "GPU models here: "),
    ({"gpus_per_task": 99}, "Requested node configuration", "GPUs. Lower slurm_nodes"),
    ({"mem_per_cpu": "9000GB"}, "Requested node configuration", "MB of memory"),
    ({"partition": "nope"}, "Invalid partition name", "There is no partition 'nope'"),
]
PROGRAM = """
import json, sys
from tmgg.errors import RefusedError
from tmgg.experiment_utils.cloud import SlurmConfig, SlurmRunner

def words(options):
    try:
        SlurmRunner(SlurmConfig(**options)).slurm.refuse_early(3, "separate", gpu_type=None)
    except RefusedError as error:
        return str(error)
    return ""

print(json.dumps([words(options) for options in json.loads(sys.argv[1])]))
"""


def refusals(alice: Login, *options: object) -> list[str]:
    alice.write("early.py", PROGRAM)
    said = alice.run(str(PYTHON), "early.py", json.dumps(options)).stdout
    told: list[str] = json.loads(said.splitlines()[-1])
    return told


@pytest.fixture
def all_drained(cluster: Cluster) -> Iterator[None]:
    """Every node, for as long as the test takes."""
    names = ",".join(f"node{number + 1}" for number in range(cluster.options.nodes))
    node = ["scontrol", "update", f"nodename={names}"]
    cluster.run([*node, "state=drain", "reason=maintenance"], user="root", check=True)
    yield
    cluster.run([*node, "state=resume"], user="root", check=True)


def test_what_is_refused_for_good_is_told_in_slurms_words_with_the_option(alice: Login) -> None:
    told = refusals(alice, *(SMALL | options for options, _words, _advice in REFUSED))
    for (options, words, advice), said in zip(REFUSED, told, strict=True):
        assert words in said, options
        assert advice in said, options
        assert len(said.splitlines()) <= 5
    assert alice.job_states() == {}


def test_nodes_that_are_drained_refuse_only_what_they_do_not_have(
    alice: Login, all_drained: None
) -> None:
    fits, too_many = refusals(alice, SMALL, SMALL | {"gpus_per_task": 99})
    assert fits == ""
    assert "GPUs. Lower slurm_nodes" in too_many
