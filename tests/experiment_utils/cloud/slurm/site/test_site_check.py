"""What Slurm would refuse is said once, before anything is submitted; nothing is refused twice."""

from pathlib import Path
from typing import Any

import pytest

from tests.fakes.clock import FakeClock
from tests.fakes.slurm.fake import FakeSlurm
from tmgg.errors import RefusedError
from tmgg.experiment_utils.cloud.runs import TaskRequest
from tmgg.experiment_utils.cloud.slurm.client import SlurmClient
from tmgg.experiment_utils.cloud.slurm.config import SlurmConfig
from tmgg.experiment_utils.cloud.slurm.runner import SlurmRunner
from tmgg.experiment_utils.cloud.slurm.site.site_check import doubts_of, refuse_what_cannot_run

MANY = 60
GPU = {"PartitionName": "gpu", "State": "UP", "MaxTime": "1-00:00:00", "MaxNodes": "8"}
OWN = {"PartitionName": "own", "State": "UP", "Hidden": "YES"}


def requests(count: int = MANY) -> list[TaskRequest]:
    config = {"experiment": {"_target_": "lab:run"}}
    return [TaskRequest(config=config | {"x": n}, run_id=f"run-{n}") for n in range(count)]


def runner_of(clock: FakeClock, **options: Any) -> SlurmRunner:
    plain: dict[str, Any] = {"nodes": 1, "ray_bootstrap": "none", "lost_grace_s": 0.01}
    return SlurmRunner(SlurmConfig(**plain | options), clock=clock)


def submissions(slurm: FakeSlurm) -> list[str]:
    return [call.argv[1] for call in slurm.calls("sbatch")]


@pytest.mark.parametrize(
    ("options", "doubt"),
    [
        ({}, ""),
        ({"partition": "own"}, ""),
        ({"partition": "nope,gpu"}, ""),
        ({"partition": None}, ""),
        ({"time_limit": "2-00:00:00", "partition": "gpu,own"}, ""),
        ({"partition": "nope"}, "There is no partition 'nope'; there are gpu. Set slurm_partition"),
        ({"time_limit": "2-00:00:00"}, "Partition gpu gives at most 1-00:00:00; slurm_time_limit"),
        ({"nodes": 9}, "Partition gpu gives at most 8 nodes; slurm_nodes is 9"),
    ],
)
def test_a_request_is_doubted_where_no_partition_fits(options: dict[str, Any], doubt: str) -> None:
    found = " ".join(doubts_of(SlurmConfig(**options), [GPU, OWN]))
    assert bool(found) is bool(doubt)
    assert doubt in found


def test_a_partition_that_is_down_takes_jobs() -> None:
    assert doubts_of(SlurmConfig(), [{**GPU, "State": "DOWN"}]) == []


@pytest.mark.parametrize("mode", ["separate", "array", "packed"])
def test_a_wrong_partition_is_refused_once_for_all_runs_of_a_sweep(
    mode: Any, slurm: FakeSlurm, folder: Path, clock: FakeClock
) -> None:
    bootstrap = "managed" if mode == "packed" else "none"
    runner = runner_of(clock, partition="nope", ray_bootstrap=bootstrap)
    with pytest.raises(RefusedError) as caught:
        runner.run_sweep(requests(), mode=mode, parallelism=MANY)
    words = str(caught.value)
    assert "Invalid partition name specified" in words
    assert "There is no partition 'nope'; there are gpu, batch." in words
    assert len(words.splitlines()) <= 5
    assert submissions(slurm) == ["--test-only"]
    assert len(slurm.calls("scontrol")) == 1
    assert not runner.output_dir.exists() or not list(runner.output_dir.glob("run-*"))


@pytest.mark.parametrize(
    "answer",
    [
        {"exit_code": 0, "stderr": "sbatch: Job 1 to start at 2026-11-23T23:30:45"},
        {"exit_code": 1, "stderr": "sbatch: error: Unable to contact slurm controller"},
    ],
)
def test_what_slurm_itself_does_not_refuse_goes_on(
    answer: dict[str, Any], slurm: FakeSlurm, folder: Path
) -> None:
    slurm.break_command("sbatch", **answer)
    refuse_what_cannot_run(
        SlurmClient(), SlurmConfig(partition="alias"), "#!/bin/bash\n", cwd=folder
    )
    assert submissions(slurm) == ["--test-only"]


def test_a_silent_controller_refuses_nothing(slurm: FakeSlurm, folder: Path) -> None:
    slurm.configure(controller="down")
    refuse_what_cannot_run(SlurmClient(), SlurmConfig(partition="x"), "#!/bin/bash\n", cwd=folder)
    assert submissions(slurm) == []


def test_what_the_first_sbatch_was_refused_is_not_asked_again(
    slurm: FakeSlurm, folder: Path, clock: FakeClock
) -> None:
    runner = runner_of(clock, account="nobody")
    results = runner.run_sweep(requests(), parallelism=MANY)
    assert len(submissions(slurm)) == 1
    assert len(slurm.calls("sacctmgr")) == 1
    assert len({result.error_message for result in results}) == 1
    assert all("Your accounts: research." in str(result.error_message) for result in results)
    # As if each had been asked: on record, and it may be tried again.
    assert {runner.get_status(f"run-{n}") for n in (0, 1, MANY - 1)} == {"failed"}


def test_a_refusal_is_no_end_of_runs_that_are_done_or_under_way(
    slurm: FakeSlurm, folder: Path, clock: FakeClock
) -> None:
    runner_of(clock).spawn_sweep(requests(2), parallelism=2)
    slurm.configure(accounts=["other"])
    runner_of(clock, account="research").spawn_sweep(requests(5), parallelism=5, resume=True)
    assert len(submissions(slurm)) == 3
    states = [runner_of(clock).get_status(f"run-{n}") for n in range(5)]
    assert states == ["pending"] * 2 + ["failed"] * 3


def test_a_command_that_fails_in_the_same_words_twice_is_not_tried_a_third_time(
    slurm: FakeSlurm, folder: Path, clock: FakeClock
) -> None:
    slurm.break_command("sbatch", times=None, exit_code=1, stderr="unrecognized option '--x'")
    results = runner_of(clock).run_sweep(requests(10), parallelism=10)
    assert len(submissions(slurm)) == 2
    assert all("unrecognized option '--x'" in str(result.error_message) for result in results)


def test_a_command_that_failed_once_does_not_end_the_sweep(
    slurm: FakeSlurm, folder: Path, clock: FakeClock
) -> None:
    slurm.break_command("sbatch", exit_code=1, stderr="out of luck")
    runner_of(clock).spawn_sweep(requests(4), parallelism=4)
    assert len(slurm.jobs) == 3
