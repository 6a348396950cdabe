"""The session's cluster, as other tests use it."""

import sys
from pathlib import Path

import pytest

from slurm_cluster import Cluster

pytestmark = pytest.mark.slurm


def test_a_user_on_a_node_can_import_this_project(
    cluster: Cluster, job_folder: Path, pytestconfig: pytest.Config
) -> None:
    program = job_folder / "program.py"
    program.write_text("import slurm_cluster, os; print(slurm_cluster.__file__, os.getuid())")
    result = cluster.run(
        ["srun", "--nodelist=node1", sys.executable, str(cluster.inside(program))],
        cwd=cluster.inside(job_folder),
        env={"PYTHONPATH": str(pytestconfig.rootpath)},
        check=True,
    )
    package = pytestconfig.rootpath / "slurm_cluster/__init__.py"
    assert result.stdout == f"{package} 5001\n"


def test_the_cluster_grants_what_the_documentation_asks_for(cluster: Cluster) -> None:
    resources = ["--nodes=4", "--exclusive", "--tasks-per-node=1", "--cpus-per-task=8"]
    argv = ["srun", *resources, "--gpus-per-task=1", "--mem-per-cpu=4GB", "--time=08:00:00"]
    names = cluster.run([*argv, "--partition=gpu", "hostname"], check=True).stdout
    assert sorted(names.split()) == ["node1", "node2", "node3", "node4"]
