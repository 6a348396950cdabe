"""Too much memory, where Slurm limits it with control groups and where only the shell does."""

from collections.abc import Iterator

import pytest

from slurm_cluster import Cluster, ClusterError
from slurm_cluster.cgroups import require_memory_controller
from tests.slurm.outages import memory_limits
from tests.slurm.trial import Trial, within

LITTLE = {"mem_per_cpu": "200MB"}
HINT = "slurm_mem_per_cpu"


@pytest.fixture(scope="module")
def limited(cluster: Cluster) -> Iterator[None]:
    """Slurm kills what exceeds its job's memory."""
    try:
        require_memory_controller()
    except ClusterError as error:
        pytest.skip(str(error))
    with memory_limits(cluster):
        yield


def test_an_experiment_that_exceeds_its_memory_is_reported(limited: None, trial: Trial) -> None:
    run_id = trial.spawn("allocate", megabytes=600, slurm=LITTLE)
    with within(20):
        result = trial.result(run_id)
    assert result["failure"]["kind"] == "out_of_memory", result["failure"]
    assert HINT in result["failure"]["hint"]
    assert len(trial.starts(run_id)) == 1


def test_a_setup_command_that_exceeds_the_memory_is_reported(limited: None, trial: Trial) -> None:
    fill = "python -c 'block = bytearray(600_000_000); block[::1024] = bytes(len(block[::1024]))'"
    run_id = trial.spawn(slurm={**LITTLE, "setup_commands": [fill]})
    with within(20):
        result = trial.result(run_id)
    assert result["failure"]["kind"] == "out_of_memory", result["failure"]
    assert trial.starts(run_id) == []


def test_a_job_script_that_is_killed_for_memory_is_reported(limited: None, trial: Trial) -> None:
    fill = "block=$(head --bytes=400000000 /dev/zero | tr '\\0' x)"
    run_id = trial.spawn(slurm={**LITTLE, "setup_commands": [fill]})
    with within(20):
        result = trial.result(run_id)
    assert result["failure"]["kind"] == "out_of_memory", result["failure"]


def test_a_memory_error_of_python_is_reported(trial: Trial) -> None:
    run_id = trial.spawn(
        "allocate", megabytes=3000, slurm={"setup_commands": ["ulimit -v 2000000"]}
    )
    with within(10):
        result = trial.result(run_id)
    assert result["failure"]["kind"] == "out_of_memory", result["failure"]
    assert HINT in result["failure"]["hint"]
