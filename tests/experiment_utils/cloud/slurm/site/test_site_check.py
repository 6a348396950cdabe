"""What Slurm would refuse is said once, before anything is submitted; nothing is refused twice."""

from pathlib import Path
from typing import Any

import pytest

from tests.experiment_utils.cloud.slurm.planning.recorded import MAY_PASS
from tests.fakes.clock import FakeClock
from tests.fakes.slurm.fake import FakeSlurm
from tmgg.errors import RefusedError
from tmgg.experiment_utils.cloud.runs import TaskRequest
from tmgg.experiment_utils.cloud.slurm.client import SlurmClient
from tmgg.experiment_utils.cloud.slurm.config import SlurmConfig
from tmgg.experiment_utils.cloud.slurm.runner import SlurmRunner
from tmgg.experiment_utils.cloud.slurm.site import site_check
from tmgg.experiment_utils.cloud.slurm.site.site_check import (
    Request,
    doubts_of,
    refuse_what_cannot_run,
)

MANY = 60
GPU = {"PartitionName": "gpu", "State": "UP", "MaxTime": "1-00:00:00", "MaxNodes": "8"}
SMALL: dict[str, Any] = {
    "cpus_per_task": 1,
    "gpus_per_task": 0,
    "mem_per_cpu": "1GB",
    "exclusive": False,
}
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


@pytest.mark.parametrize("allowed", [{"AllowQos": "normal,long"}, {"AllowAccounts": "proj1"}])
def test_a_default_that_is_not_set_is_not_doubted(allowed: dict[str, str]) -> None:
    assert doubts_of(SlurmConfig(), [GPU | allowed]) == []


FULL = """\
sbatch: error: QOSMaxSubmitJobPerUserLimit
allocation failure: Job violates accounting/QOS policy (job submit limit, user's size and/or time \
limits)
"""


@pytest.mark.parametrize("options", [{}, {"time_limit": "2-00:00:00"}])
def test_a_full_queue_refuses_nothing_whatever_is_doubted(
    options: dict[str, Any], slurm: FakeSlurm, folder: Path
) -> None:
    settings = {"AllowQos": "normal,long", "MaxTime": "1-00:00:00"}
    slurm.configure(partition_settings={"gpu": settings})
    slurm.break_command("sbatch --test-only", exit_code=1, stderr=FULL)
    request = Request(SlurmConfig(partition="gpu", **options), "#!/bin/bash\n", folder)
    refuse_what_cannot_run(SlurmClient(), request, runs=5)
    assert submissions(slurm) == ["--test-only"]


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
    slurm.break_command("sbatch --test-only", **answer)
    request = Request(SlurmConfig(partition="alias"), "#!/bin/bash\n", folder)
    refuse_what_cannot_run(SlurmClient(), request, runs=1)
    assert submissions(slurm) == ["--test-only"]


def test_a_silent_controller_refuses_nothing(slurm: FakeSlurm, folder: Path) -> None:
    slurm.configure(controller="down")
    request = Request(SlurmConfig(partition="x"), "#!/bin/bash\n", folder)
    refuse_what_cannot_run(SlurmClient(), request, runs=2)
    assert submissions(slurm) == []


@pytest.mark.parametrize("mode", ["separate", "array", "packed"])
def test_a_wrong_account_is_refused_once_before_anything_of_a_sweep_is_written(
    mode: Any, slurm: FakeSlurm, folder: Path, clock: FakeClock
) -> None:
    bootstrap = "managed" if mode == "packed" else "none"
    runner = runner_of(clock, account="nobody", ray_bootstrap=bootstrap)
    with pytest.raises(RefusedError) as caught:
        runner.run_sweep(requests(), mode=mode, parallelism=MANY)
    assert str(caught.value).splitlines() == [
        "Slurm refuses such a job, so nothing was submitted. "
        "Invalid account or account/partition combination specified",
        "slurm_account is nobody. Your accounts: research.",
    ]
    assert submissions(slurm) == ["--test-only"]
    assert not list(folder.rglob("run-*"))


@pytest.mark.parametrize("words", MAY_PASS)
def test_a_sweep_goes_on_where_the_trials_words_may_pass(
    words: str, slurm: FakeSlurm, folder: Path, clock: FakeClock
) -> None:
    slurm.break_command("sbatch --test-only", exit_code=1, stderr=words)
    runner_of(clock, **SMALL).spawn_sweep(requests(2), parallelism=2)
    assert len(slurm.jobs) == 2


def test_a_trial_that_hangs_keeps_no_sweep_from_its_jobs(
    slurm: FakeSlurm, folder: Path, clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(site_check, "TRIAL_TIMEOUT_S", 0.4)
    slurm.break_command("sbatch --test-only", delay_s=20)
    runner_of(clock).spawn_sweep(requests(2), parallelism=2)
    assert len(slurm.jobs) == 2


def test_a_single_run_is_not_tried_before_its_one_sbatch(
    slurm: FakeSlurm, folder: Path, clock: FakeClock
) -> None:
    (result,) = runner_of(clock, account="nobody").run_sweep(requests(1))
    assert "Your accounts: research." in str(result.error_message)
    assert "--test-only" not in submissions(slurm)
    assert len(slurm.submissions()) == 1


NOTHING_FITS = "allocation failure: Requested node configuration is not available"


@pytest.mark.parametrize(
    ("options", "doubt"),
    [
        ({"cpus_per_task": 5}, " has only 4 CPUs"),
        ({"gpus_per_task": 3}, " has only 2 GPUs"),
        ({"gpu_type": "a100", "gpus_per_task": 1}, " GPU models here: none with a name."),
        ({"partition": None, "gpus_per_task": 3}, " has only 2 GPUs"),
    ],
)
def test_what_no_node_has_is_refused_with_what_they_have(
    options: dict[str, Any], doubt: str, slurm: FakeSlurm, folder: Path, clock: FakeClock
) -> None:
    slurm.configure(nodes=[f"node{n}|4|64000|gpu:2|drained|(null)" for n in (1, 2)])
    slurm.break_command("sbatch --test-only", exit_code=1, stderr=NOTHING_FITS)
    with pytest.raises(RefusedError) as caught:
        runner_of(clock, **SMALL | options).spawn_sweep(requests(2), parallelism=2)
    words = str(caught.value)
    assert "Requested node configuration is not available" in words
    assert doubt in words
    assert len(words.splitlines()) <= 5
    assert not slurm.jobs


def test_the_same_words_over_nodes_that_are_drained_refuse_nothing(
    slurm: FakeSlurm, folder: Path, clock: FakeClock
) -> None:
    slurm.configure(nodes=[f"node{n}|4|64000|gpu:2|drained|(null)" for n in (1, 2)])
    slurm.break_command("sbatch --test-only", exit_code=1, stderr=NOTHING_FITS)
    runner_of(clock, **SMALL).spawn_sweep(requests(2), parallelism=2)
    assert len(slurm.jobs) == 2


def test_what_the_first_sbatch_was_refused_is_not_asked_again(
    slurm: FakeSlurm, folder: Path, clock: FakeClock
) -> None:
    slurm.configure(closed_partitions=["gpu"])  # it may be opened at any time
    runner = runner_of(clock)
    results = runner.run_sweep(requests(), parallelism=MANY)
    assert len(slurm.submissions()) == 1
    assert len({result.error_message for result in results}) == 1
    assert all("Required partition not available" in str(each.error_message) for each in results)
    # As if each had been asked: on record, and it may be tried again.
    assert {runner.get_status(f"run-{n}") for n in (0, 1, MANY - 1)} == {"failed"}


def test_a_refusal_is_no_end_of_runs_that_are_done_or_under_way(
    slurm: FakeSlurm, folder: Path, clock: FakeClock
) -> None:
    runner_of(clock).spawn_sweep(requests(2), parallelism=2)
    slurm.configure(closed_partitions=["gpu"])
    runner_of(clock).spawn_sweep(requests(5), parallelism=5, resume=True)
    assert len(slurm.submissions()) == 3
    states = [runner_of(clock).get_status(f"run-{n}") for n in range(5)]
    assert states == ["pending"] * 2 + ["failed"] * 3


def test_a_command_that_fails_in_the_same_words_twice_is_not_tried_a_third_time(
    slurm: FakeSlurm, folder: Path, clock: FakeClock
) -> None:
    slurm.break_command("sbatch", times=None, exit_code=1, stderr="unrecognized option '--x'")
    results = runner_of(clock).run_sweep(requests(10), parallelism=10)
    assert len(slurm.submissions()) == 2
    assert all("unrecognized option '--x'" in str(result.error_message) for result in results)


def test_a_command_that_failed_once_does_not_end_the_sweep(
    slurm: FakeSlurm, folder: Path, clock: FakeClock
) -> None:
    slurm.break_command("sbatch", exit_code=1, stderr="out of luck")
    runner_of(clock).spawn_sweep(requests(4), parallelism=4)
    assert len(slurm.jobs) == 3
