from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tmgg.experiment_utils.ray_cluster.options import parse_memory, parse_options
from tmgg.experiment_utils.ray_cluster.slurm_facts import parse_kill_wait

MEBIBYTE = 1024**2
STEP = {
    "SLURM_CPUS_PER_TASK": "2",
    "SLURM_PROCID": "1",
    "SLURM_STEP_NUM_TASKS": "3",
    "SLURM_JOB_ID": "77",
    "SLURMD_NODENAME": "node2",
    "SLURM_MEM_PER_CPU": "500",
}


def test_the_least_that_the_job_script_says() -> None:
    options = parse_options(["/shared/out/run/1", "--ports=20000-31999"], STEP)
    assert options.paths.folder == Path("/shared/out/run/1")
    assert options.entrypoint == ()
    assert (options.rank, options.nodes, options.is_head) == (1, 3, False)
    assert options.start == "77.0"
    assert options.memory_bytes == 1000 * MEBIBYTE
    assert options.ports.range == (20000, 31999)
    assert (options.ports.gcs, options.ports.workers) == (None, None)
    assert options.scratch_parent == "/tmp"


def test_what_follows_two_dashes_runs_in_place_of_the_experiment() -> None:
    options = parse_options(["/out/.batches/s.1", "--ports=1-9", "--", "a.module", "--x=1"], STEP)
    assert options.entrypoint == ("a.module", "--x=1")
    assert options.ports.range == (1, 9)


def test_all_that_the_job_script_may_say() -> None:
    options = parse_options(
        ["/out/run/2", "--ports=1-9", "--gpus=4", "--ray-port=6380", "--worker-ports=10002-19999",
         "--interface=ib0", "--object-store-mb=100", "--scratch=/local", "--start-timeout=12.5"],
        STEP | {"SLURM_PROCID": "0", "SLURM_RESTART_COUNT": "3"},
    )  # fmt: skip
    assert options.is_head
    assert options.start == "77.3"
    assert (options.gpus, options.interface) == (4, "ib0")
    assert (options.ports.gcs, options.ports.workers) == (6380, (10002, 19999))
    assert options.object_store_bytes == 100 * MEBIBYTE
    assert (options.scratch_parent, options.start_timeout_s) == ("/local", 12.5)


@pytest.mark.parametrize("missing", ["SLURM_CPUS_PER_TASK", "SLURM_PROCID", "SLURM_JOB_ID"])
def test_outside_a_step_there_are_no_options(missing: str) -> None:
    with pytest.raises(KeyError, match=missing):
        parse_options(["/o/r/1", "--ports=1-2"], {k: v for k, v in STEP.items() if k != missing})


@pytest.mark.parametrize(
    ("environment", "megabytes"),
    [
        ({"SLURM_MEM_PER_CPU": "500"}, 2000),
        ({"SLURM_MEM_PER_NODE": "3000"}, 3000),
        ({"SLURM_MEM_PER_GPU": "700"}, 1400),
        ({"SLURM_MEM_PER_NODE": "0"}, None),  # --mem=0, and sites that hand out no memory
        ({}, None),
    ],
)
def test_the_memory_is_the_jobs_own(environment: dict[str, str], megabytes: int | None) -> None:
    expected = None if megabytes is None else megabytes * MEBIBYTE
    assert parse_memory(environment, cpus=4, gpus=2) == expected


def test_the_kill_wait_is_read_out_of_slurms_configuration() -> None:
    text = "Configuration data as of now\nKeepAliveTime           = SYSTEM_DEFAULT\n" + (
        "KillOnBadExit           = 0\nKillWait                = 45 sec\n"
    )
    assert parse_kill_wait(text) == 45


@given(st.text())
def test_any_other_answer_means_slurms_default(text: str) -> None:
    if "KillWait" not in text:
        assert parse_kill_wait(text) == 30
