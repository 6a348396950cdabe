"""What a process that is no task among others has in its environment."""

import json
import subprocess
import sys

import pytest

from tmgg.experiment_utils.cloud.slurm.command_lines import scrubbed_environment
from tmgg.experiment_utils.job.slurm_step import forget_step, is_of_a_step, without_step


@pytest.mark.parametrize(
    "name",
    [
        "SLURM_NTASKS", "SLURM_NPROCS", "SLURM_PROCID", "SLURM_LOCALID", "SLURM_NODEID",
        "SLURM_STEP_ID", "SLURM_STEPID", "SLURM_STEP_NUM_TASKS", "SLURM_TASKS_PER_NODE",
        "SLURM_NTASKS_PER_NODE", "SLURM_NTASKS_PER_SOCKET", "SLURM_GTIDS", "SLURM_CPU_BIND_LIST",
        "SLURM_SRUN_COMM_PORT", "SLURM_DISTRIBUTION", "PMI_RANK", "PMI2_SIZE", "PMIX_RANK",
        "SLURM_PMIX_MAPPING_SERV",
    ],
)  # fmt: skip
def test_what_tells_of_a_step_is_hidden(name: str) -> None:
    assert is_of_a_step(name)


@pytest.mark.parametrize(
    "name",
    [
        "SLURM_JOB_ID", "SLURM_JOBID", "SLURM_JOB_NODELIST", "SLURM_NODELIST",
        "SLURM_CPUS_PER_TASK", "SLURM_CPUS_ON_NODE", "SLURM_JOB_NUM_NODES", "SLURM_NNODES",
        "SLURM_ARRAY_TASK_ID",
        "SLURM_RESTART_COUNT", "SLURM_MEM_PER_CPU", "SLURM_GPUS_ON_NODE", "SLURMD_NODENAME",
        "SLURM_CONF", "PMIX_MCA_psec", "RANK", "PATH",
    ],
)  # fmt: skip
def test_what_tells_of_the_job_stays(name: str) -> None:
    assert not is_of_a_step(name)


def test_a_process_forgets_its_step_and_keeps_the_rest() -> None:
    environment = {"SLURM_NTASKS": "2", "SLURM_STEP_ID": "-5", "SLURM_JOB_ID": "7"}
    forget_step(environment)
    assert environment == {"SLURM_JOB_ID": "7"}


def test_a_command_runs_without_the_step() -> None:
    show = "import json, os; print(json.dumps(dict(os.environ)))"
    done = subprocess.run(
        [sys.executable, "-m", "tmgg.experiment_utils.job.slurm_step", sys.executable, "-c", show],
        env={"SLURM_PROCID": "0", "SLURM_JOB_ID": "7"},
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    found = json.loads(done.stdout)
    assert found["SLURM_JOB_ID"] == "7"
    assert without_step(found) == found


def test_a_job_submitted_by_a_rank_is_not_that_rank() -> None:
    inside = {"RANK": "1", "WORLD_SIZE": "2", "LOCAL_RANK": "1", "PMI_RANK": "1", "HOME": "/h"}
    assert not ({*inside} - {"HOME"}) & {*scrubbed_environment(inside)}
    assert scrubbed_environment(inside)["HOME"] == "/h"
