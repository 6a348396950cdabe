"""A packed sweep's way to Slurm: one sbatch, and what of the settings it asks for."""

import re
from pathlib import Path
from typing import Any

import pytest

from tests.fakes.slurm.fake import FakeSlurm
from tmgg.errors import ConfigError
from tmgg.experiment_utils.cloud import SlurmConfig, SlurmRunner
from tmgg.experiment_utils.cloud.runs import RunState, TaskRequest
from tmgg.experiment_utils.cloud.slurm.submit.packed_dispatch import PackedDispatcher, combined
from tmgg.experiment_utils.cloud.slurm.submit.packed_nodes import fitting
from tmgg.experiment_utils.cloud.sweep.plan import SweepOptions
from tmgg.experiment_utils.cloud.sweep.policy import RetryChanges
from tmgg.experiment_utils.run_folder.batches import runs_of_batch
from tmgg.experiment_utils.run_folder.exit_record import End, leave_exit_record
from tmgg.experiment_utils.run_folder.paths import BatchPaths, RunPaths

PACKED = SlurmConfig(nodes=3, gpus_per_task=0, sweep_mode="packed")


def requests(count: int) -> list[TaskRequest]:
    return [
        TaskRequest(config={"experiment": {"_target_": "lab:run"}}, run_id=f"r{number}")
        for number in range(count)
    ]


def batch_of(folder: Path) -> BatchPaths:
    batches = (folder / "slurm_outputs" / BatchPaths.FOLDER_NAME).iterdir()
    found = [BatchPaths(folder / "slurm_outputs", each.name) for each in batches]
    (batch,) = [batch for batch in found if not batch.is_waiting]
    return batch


def test_all_runs_are_one_job_whose_id_each_has(slurm: FakeSlurm, folder: Path) -> None:
    spawned = SlurmRunner(PACKED).spawn_sweep(requests(5))
    assert len(slurm.submissions()) == 1
    (job_id,) = slurm.jobs
    batch = batch_of(folder)
    assert [paths.run_paths.run_id for paths in runs_of_batch(batch)] == spawned.run_ids
    states = SlurmRunner(PACKED).poll(spawned.run_ids)
    assert {state.job_id for state in states} == {job_id}
    assert {state.status for state in states} == {"pending"}
    assert not RunPaths(batch.output_dir, "r0").folder.exists()


def test_cancelling_some_leaves_the_job_to_the_others(slurm: FakeSlurm, folder: Path) -> None:
    runner = SlurmRunner(PACKED)
    runner.spawn_sweep(requests(3))
    assert runner.cancel_all(["r0", "r1"]) == [True, True]
    assert slurm.calls("scancel") == []
    states = SlurmRunner(PACKED).poll(["r0", "r1", "r2"])
    assert [state.status for state in states] == ["failed", "failed", "pending"]
    assert states[0].failure is not None
    assert states[0].failure.kind == "cancelled"
    assert runner.cancel("r2")
    assert len(slurm.calls("scancel")) == 1


@pytest.mark.parametrize(("signal", "goes_on"), [("TERM", True), ("", False)])
def test_a_run_that_was_interrupted_with_its_job_still_needs_it(
    slurm: FakeSlurm, folder: Path, signal: str, goes_on: bool
) -> None:
    runner = SlurmRunner(PACKED)
    runner.spawn_sweep(requests(2))
    interrupted = RunPaths(runner.output_dir, "r1").submission(1)
    leave_exit_record(interrupted, End(job_id="1", exit_code=143, received=signal, scope="run"))
    assert runner.cancel("r0")
    assert (slurm.calls("scancel") == []) is goes_on


def test_a_refusal_is_the_end_of_all_runs(slurm: FakeSlurm, folder: Path) -> None:
    slurm.break_command("sbatch", exit_code=1, stderr="sbatch: error: Invalid qos specification")
    results = SlurmRunner(PACKED).run_sweep(requests(3))
    assert [result.failure and result.failure.kind for result in results] == ["submission"] * 3


def ended_sweep(runner: SlurmRunner, count: int) -> tuple[PackedDispatcher, list[RunState]]:
    """A sweep whose runs have failed: the dispatcher by which it goes on, and how they stand."""
    run_ids = runner.spawn_sweep(requests(count)).run_ids
    runner.cancel_all(run_ids)
    plan = runner.plan_sweep(requests(count), SweepOptions(resume=True))
    dispatcher = runner.runs.dispatcher(plan, gpu_type=None, resume=False)
    assert isinstance(dispatcher, PackedDispatcher)
    return dispatcher, runner.poll(run_ids)


def test_a_retry_that_no_config_can_express_is_refused(slurm: FakeSlurm, folder: Path) -> None:
    runner = SlurmRunner(PACKED)
    plan = runner.plan_sweep(requests(1), SweepOptions(parallelism=1))
    dispatcher = runner.runs.dispatcher(plan, gpu_type=None, resume=False)
    assert isinstance(dispatcher, PackedDispatcher)
    failed = RunState(run_id="r0", status="failed", final=True)
    done = dispatcher.retry([failed], [RetryChanges(exclude_nodes=("no node's name",))])
    assert "exclude=" in done.refused["r0"]


def test_a_retry_that_is_refused_without_the_bad_node_is_tried_with_it(
    slurm: FakeSlurm, folder: Path
) -> None:
    runner = SlurmRunner(PACKED)
    run_ids = [str(each.run_id) for each in requests(2)]
    dispatcher, failed = ended_sweep(runner, 2)
    slurm.add_rule("exclude", "Too few nodes are left")
    changes = RetryChanges(exclude_nodes=("node1",), memory_factor=2)
    done = dispatcher.retry(failed, [changes] * 2)
    job_id = max(slurm.jobs)
    assert done.launched == dict.fromkeys(run_ids, job_id)
    assert not done.refused
    options = slurm.jobs[job_id]["options"]
    assert "exclude" not in options
    assert options["mem-per-cpu"] == "8192MB"


@pytest.mark.parametrize("bootstrap", ["none", "symmetric-run"])
def test_another_bootstrap_is_refused_before_anything_is_written(
    slurm: FakeSlurm, folder: Path, bootstrap: Any
) -> None:
    config = SlurmConfig(sweep_mode="packed", ray_bootstrap=bootstrap)
    with pytest.raises(ConfigError, match="managed"):
        SlurmRunner(config).run_sweep(requests(2))
    assert not (folder / "slurm_outputs").exists()


def test_a_template_for_single_runs_is_refused(slurm: FakeSlurm, folder: Path) -> None:
    (folder / "site.sh").write_text("#!/bin/bash\n@{directives}\ntmgg_dir=@{folder}\n@{launch}\n")
    config = SlurmConfig(sweep_mode="packed", script_template=str(folder / "site.sh"))
    with pytest.raises(ConfigError, match=re.escape("@{run}")):
        SlurmRunner(config).run_sweep(requests(2))


def test_no_more_nodes_than_runs_unless_they_were_named() -> None:
    assert fitting(PACKED, 2).nodes == 2
    assert fitting(PACKED, 7).nodes == 3
    named = SlurmConfig(nodes=3, nodelist="node[1-3]")
    assert fitting(named, 2).nodes == 3


def test_one_job_for_several_retries_suits_them_all() -> None:
    changes = [
        RetryChanges(exclude_nodes=("n1",), memory_factor=1.5),
        RetryChanges(exclude_nodes=("n2", "n1")),
    ]
    assert combined(changes) == RetryChanges(exclude_nodes=("n1", "n2"), memory_factor=1.5)
    assert combined([]) == RetryChanges()


def test_a_run_that_was_retried_by_itself_is_not_in_the_next_job(
    slurm: FakeSlurm, folder: Path
) -> None:
    runner = SlurmRunner(PACKED)
    run_ids = [str(each.run_id) for each in requests(3)]
    dispatcher, failed = ended_sweep(runner, 3)
    alone = SlurmRunner(PACKED).retry("r1").job_id
    done = dispatcher.retry(failed, [RetryChanges()] * 3)
    together = max(slurm.jobs)
    assert done.launched == {"r0": together, "r1": alone, "r2": together}
    for run_id in run_ids:
        assert RunPaths(runner.output_dir, run_id).submission_numbers() == [1, 2]
