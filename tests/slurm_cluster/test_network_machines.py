"""A cluster whose machines have the shared folder as clients of a network."""

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from slurm_cluster import Cluster, ClusterError, ClusterOptions
from slurm_cluster.packages import missing_packages

pytestmark = [pytest.mark.slurm, pytest.mark.long]


@pytest.fixture(scope="module")
def network(can_run_slurm: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    if not Path("/dev/fuse").exists() or missing_packages(network_folder=True):
        pytest.skip("it needs /dev/fuse and python3-pyfuse3")
    folder = tmp_path_factory.mktemp("cluster") / "state"
    options = ClusterOptions(
        name=f"net{os.getpid()}", nodes=2, cpus=2, state_dir=folder, shared_folder="network",
        accounting=False,
    )  # fmt: skip
    cluster = Cluster(options)
    cluster.up()
    yield cluster
    cluster.down(purge=True)
    assert str(folder) not in Path("/proc/mounts").read_text()


def test_a_name_that_is_missing_on_one_machine_is_missing_there_after_another_made_it(
    network: Cluster,
) -> None:
    # In one process each: on a busy machine 30 s are over before another has begun.
    looking = "test -e made; echo $?"
    script = f"{looking}; read word; {looking}; ls > /dev/null; {looking}"
    pipe = subprocess.PIPE
    with network.popen(["bash", "-c", script], machine="node1", stdin=pipe, stdout=pipe) as looker:
        assert looker.stdout is not None
        assert looker.stdout.readline() == "1\n"
        network.run(["touch", "made"], machine="node2", check=True)
        assert looker.communicate("go\n", timeout=20)[0] == "1\n0\n"


def test_a_node_that_lost_power_has_the_folder_again(network: Cluster) -> None:
    network.power_off("node2")
    network.power_on("node2")
    done = network.run(["srun", "--nodelist=node2", "cat", "/proc/mounts"], check=True)
    assert "netfolder /shared fuse" in done.stdout


def test_a_running_cluster_keeps_the_kind_of_folder_that_it_has(network: Cluster) -> None:
    other = ClusterOptions(
        name=network.options.name, nodes=2, cpus=2, state_dir=network.state_dir, accounting=False
    )
    with pytest.raises(ClusterError, match="shared_folder network -> local"):
        Cluster(other).up()
