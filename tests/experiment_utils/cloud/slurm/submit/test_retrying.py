"""What the next try of a failed run asks Slurm for."""

from pathlib import Path

import pytest

from tests.fakes.clock import FakeClock
from tests.fakes.slurm.fake import FakeSlurm
from tmgg.experiment_utils.cloud.slurm.client import SlurmClient
from tmgg.experiment_utils.cloud.slurm.config import SlurmConfig
from tmgg.experiment_utils.cloud.slurm.runner import SlurmRunner
from tmgg.experiment_utils.cloud.slurm.submit.retrying import bad_nodes, changed
from tmgg.experiment_utils.cloud.sweep.policy import RetryChanges
from tmgg.experiment_utils.run_folder.paths import RunPaths


@pytest.mark.parametrize(
    ("memory", "factor", "expected"),
    [
        ("4GB", 1.5, "6144MB"),
        ("500", 2, "1000MB"),
        ("1T", 1.25, "1310720MB"),
        ("100K", 1.5, "1MB"),
        ("3M", 1.1, "4MB"),
    ],
)
def test_memory_grows_in_whole_megabytes(memory: str, factor: float, expected: str) -> None:
    config = changed(SlurmConfig(mem_per_cpu=memory), RetryChanges(memory_factor=factor))
    assert config.mem_per_cpu == expected


def test_bad_nodes_are_kept_out_beside_those_that_were() -> None:
    changes = RetryChanges(exclude_nodes=("node3", "node4"))
    assert changed(SlurmConfig(exclude="node[1-2]"), changes).exclude == "node[1-2],node3,node4"
    assert changed(SlurmConfig(), changes).exclude == "node3,node4"
    assert changed(SlurmConfig(), RetryChanges()) == SlurmConfig()


def test_the_only_node_of_a_job_is_the_bad_one(slurm: FakeSlurm) -> None:
    assert bad_nodes(SlurmClient(), "gpu", "node7") == ["node7"]
    assert bad_nodes(SlurmClient(), "gpu", "") == []


def test_no_node_is_blamed_when_nobody_knows(slurm: FakeSlurm) -> None:
    slurm.break_command("sinfo", times=None, exit_code=1, stderr="slurm_load_partitions error")
    assert bad_nodes(SlurmClient(), "gpu", "node[1-2]") == []


def test_the_changes_are_in_the_script_of_the_retry_and_the_record_stays(
    slurm: FakeSlurm, folder: Path, clock: FakeClock
) -> None:
    runner = SlurmRunner(SlurmConfig(nodes=1, ray_bootstrap="none", lost_grace_s=0.01), clock=clock)
    runner.spawn_experiment({"experiment": {"_target_": "lab:run"}}, run_id="run")
    slurm.change_job(slurm.only_job["id"], state="NODE_FAIL", nodes="node7")
    assert runner.get_status("run") == "failed"
    runner.retry("run", RetryChanges(exclude_nodes=("node7",), memory_factor=2))
    script = RunPaths(runner.output_dir, "run").submission(2).script.read_text()
    assert "#SBATCH --exclude=node7\n" in script
    assert "#SBATCH --mem-per-cpu=8192MB\n" in script
    assert '"exclude": null' in RunPaths(runner.output_dir, "run").run.read_text()
