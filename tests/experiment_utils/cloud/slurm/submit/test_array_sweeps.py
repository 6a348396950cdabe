"""A sweep's way to Slurm as job arrays, and how its runs are found before any has begun."""

import json
import os
import shutil
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.fakes.clock import FakeClock
from tests.fakes.slurm.fake import FakeSlurm
from tmgg.errors import ConfigError, RunExistsError
from tmgg.experiment_utils.cloud.runs import NOT_SUBMITTED, RunState, TaskRequest
from tmgg.experiment_utils.cloud.runs_on_record import waiting
from tmgg.experiment_utils.cloud.slurm.config import SlurmConfig
from tmgg.experiment_utils.cloud.slurm.runner import SlurmRunner
from tmgg.experiment_utils.cloud.sweep import records as sweep_records
from tmgg.experiment_utils.cloud.sweep.plan import SweepOptions
from tmgg.experiment_utils.cloud.sweep.policy import SweepPolicy
from tmgg.experiment_utils.files.atomic_file import write_json
from tmgg.experiment_utils.files.leases import LEASE_S
from tmgg.experiment_utils.run_folder import batch_index
from tmgg.experiment_utils.run_folder import batches as batches_
from tmgg.experiment_utils.run_folder.evidence_token import read_token
from tmgg.experiment_utils.run_folder.paths import BatchPaths, RunPaths, SweepPaths
from tmgg.experiment_utils.run_folder.registry import load_run, load_task
from tmgg.experiment_utils.run_folder.removal import remove_run
from tmgg.experiment_utils.run_folder.run_folders import runs_in
from tmgg.experiment_utils.run_folder.sweeps import load_sweep
from tmgg.experiment_utils.run_folder.task import TaskOutput

CONFIG = {"experiment": {"_target_": "lab:run"}}
ARRAY = SlurmConfig(nodes=1, ray_bootstrap="none", sweep_mode="array", submit_timeout_s=5)
LOST = "sbatch: error: Batch job submission failed: Socket timed out on send/recv operation"


@pytest.fixture
def runner(slurm: FakeSlurm, folder: Path, clock: FakeClock) -> SlurmRunner:
    return SlurmRunner(ARRAY, clock=clock)


def requests(count: int) -> list[TaskRequest]:
    return [
        TaskRequest(config={**CONFIG, "x": number}, run_id=f"r{number}", title=f"x={number}")
        for number in range(count)
    ]


def batches(runner: SlurmRunner) -> list[BatchPaths]:
    """Those that were submitted."""
    folder = runner.output_dir / BatchPaths.FOLDER_NAME
    found = [BatchPaths(runner.output_dir, name.name) for name in sorted(folder.iterdir())]
    return [batch for batch in found if not batch.is_waiting]


def test_one_sbatch_for_all_and_a_job_id_for_each(runner: SlurmRunner, slurm: FakeSlurm) -> None:
    sweep = runner.spawn_sweep(requests(5), parallelism=2)
    job = slurm.only_job
    assert job["options"]["array"] == "0-4%2"
    states = runner.poll(sweep.run_ids)
    assert [state.job_id for state in states] == [f"{job['id']}_{index}" for index in range(5)]
    assert {state.status for state in states} == {"pending"}
    assert len(slurm.calls("squeue")) == 1


def test_a_run_is_on_record_before_it_has_a_folder(runner: SlurmRunner) -> None:
    sweep = runner.spawn_sweep(requests(3))
    paths = RunPaths(runner.output_dir, "r1")
    assert not paths.folder.exists()
    assert load_run(paths).settings["sweep_mode"] == "array"
    assert load_task(paths).config["x"] == 1
    assert [found.run_id for found in runs_in(runner.output_dir)] == sweep.run_ids
    (batch,) = batches(runner)
    for closed in (batch.tasks, batch.runs, batch.intent):
        assert closed.stat().st_mode & 0o777 == 0o600
    assert batch.folder.stat().st_mode & 0o777 == 0o700
    record = load_sweep(SweepPaths(runner.output_dir, sweep.sweep_id))
    assert record is not None
    assert [run.title for run in record.runs] == ["x=0", "x=1", "x=2"]


def test_payloads_travel_in_one_file(runner: SlurmRunner) -> None:
    asked = [TaskRequest(config=CONFIG, run_id=f"r{n}", payload=bytes([n]) * 7) for n in range(3)]
    runner.spawn_sweep(asked)
    (batch,) = batches(runner)
    assert batch.payloads.read_bytes() == b"\0" * 7 + b"\1" * 7 + b"\2" * 7


def test_when_the_answer_is_lost_the_array_is_found_by_its_token(
    runner: SlurmRunner, slurm: FakeSlurm
) -> None:
    slurm.break_command("sbatch", perform=True, exit_code=1, stderr=LOST)
    sweep = runner.spawn_sweep(requests(4), parallelism=4)
    assert runner.poll(sweep.run_ids)[3].job_id == f"{slurm.only_job['id']}_3"


def test_an_array_that_slurm_refuses_is_a_failed_result_for_each_run_in_any_process(
    slurm: FakeSlurm, folder: Path, clock: FakeClock
) -> None:
    slurm.configure(closed_partitions=["gpu"])
    runner = SlurmRunner(ARRAY, clock=clock)
    results = runner.run_sweep(requests(3))
    kinds = [result.failure.kind for result in results if result.failure]
    assert kinds == ["submission"] * 3
    elsewhere = SlurmRunner(ARRAY).collect("r2")
    assert elsewhere.failure is not None
    assert "Required partition not available" in elsewhere.failure.message


def test_a_long_sweep_is_as_few_arrays_as_the_limit_allows_and_keeps_its_parallelism(
    runner: SlurmRunner, slurm: FakeSlurm
) -> None:
    slurm.configure(max_array_size=11)
    runner.spawn_sweep(requests(25), parallelism=2)
    first, second, third = slurm.jobs.values()
    assert [job["options"]["array"] for job in (first, second, third)] == [
        "0-10%1", "0-10%1", "0-2%1",
    ]  # fmt: skip
    assert "dependency" not in second["options"]
    assert third["options"]["dependency"] == f"afterany:{first['id']}"
    lines = [batch.runs.read_text().splitlines() for batch in batches(runner)]
    names = [line.split()[0] for each in lines for line in each]
    assert names == [f"r{number}/1" for number in range(25)]


def test_a_later_array_also_waits_for_the_jobs_that_were_asked_for(
    slurm: FakeSlurm, folder: Path, clock: FakeClock
) -> None:
    slurm.configure(max_array_size=5)
    other = slurm.add_job(state="RUNNING")
    config = replace(ARRAY, dependency=f"afterok:{other}")
    SlurmRunner(config, clock=clock).spawn_sweep(requests(8), parallelism=1)
    _, first, second = slurm.jobs.values()
    assert first["options"]["dependency"] == f"afterok:{other}"
    assert second["options"]["dependency"] == f"afterok:{other},afterany:{first['id']}"


def test_a_choice_of_jobs_is_refused_where_arrays_wait_for_each_other(
    slurm: FakeSlurm, folder: Path, clock: FakeClock
) -> None:
    one, two = (slurm.add_job(state="RUNNING") for _ in range(2))
    config = replace(ARRAY, dependency=f"afterok:{one}?afterok:{two}")
    runner = SlurmRunner(config, clock=clock)
    with pytest.raises(ConfigError, match="does not mix"):
        runner.spawn_sweep(requests(3), parallelism=2)
    assert not runner.output_dir.exists() or not list(runner.output_dir.glob("r*"))
    runner.spawn_sweep(requests(3), parallelism=3)
    assert len(slurm.jobs) == 3


def test_a_limit_that_slurm_does_not_tell_is_found_by_trying(
    runner: SlurmRunner, slurm: FakeSlurm
) -> None:
    slurm.configure(max_array_size=7)
    slurm.break_command("scontrol", exit_code=1, stderr="slurm_load_ctl_conf error")
    runner.spawn_sweep(requests(10), parallelism=10)
    assert sum(_size(job["options"]["array"]) for job in slurm.jobs.values()) == 10
    # Nobody takes the refusal of the long array for the end of its runs.
    told = SlurmRunner(ARRAY).poll([f"r{number}" for number in range(10)])
    assert {state.status for state in told} == {"pending"}


class EnoughSeenError(BaseException):
    """Ends the wait; an Exception of `on_update` does not."""


def test_runs_beyond_the_queues_limit_are_known_as_not_submitted(
    runner: SlurmRunner, slurm: FakeSlurm
) -> None:
    slurm.configure(max_submit=3)
    notes: list[str] = []

    def look(states: Sequence[RunState]) -> None:
        notes.extend(state.note for state in states if state.reason == NOT_SUBMITTED)
        raise EnoughSeenError

    with pytest.raises(EnoughSeenError):
        runner.spawn_sweep(requests(5), parallelism=5, on_update=look)
    assert len(notes) == 2
    assert "QOSMaxSubmitJobPerUserLimit" in notes[0]
    told = SlurmRunner(ARRAY).poll([f"r{number}" for number in range(5)])
    assert [state.reason == NOT_SUBMITTED for state in told] == [False] * 3 + [True] * 2
    submitted = [line for batch in batches(runner) for line in batch.runs.read_text().splitlines()]
    assert len(submitted) == 3


def test_a_cancelled_element_never_begins_and_ends_at_once(
    runner: SlurmRunner, slurm: FakeSlurm
) -> None:
    runner.spawn_sweep(requests(3))
    assert runner.cancel("r1") is True
    assert slurm.only_job["taken_out"] == [1]
    assert runner.get_status("r1") == "failed"
    assert runner.collect("r1").failure is not None
    assert [runner.get_status(name) for name in ("r0", "r2")] == ["pending", "pending"]
    assert RunPaths(runner.output_dir, "r1").submission(1).owner.read_text().strip() == "nobody"


def test_an_element_that_somebody_took_out_of_its_array_is_cancelled(
    slurm: FakeSlurm, folder: Path, clock: FakeClock
) -> None:
    runner = SlurmRunner(SlurmConfig(nodes=1, ray_bootstrap="none"), clock=clock)
    runner.spawn_sweep(requests(3), mode="array")
    slurm.change_job(slurm.only_job["id"], taken_out=[2])
    (state,) = runner.poll(["r2"])
    assert state.failure is not None
    assert state.failure.kind == "cancelled"
    assert "taken out of its array before it began" in state.failure.message


@pytest.mark.parametrize("accounting", ["absent", "down"])
def test_without_the_accounts_an_element_that_is_gone_is_waited_for(
    accounting: str, slurm: FakeSlurm, folder: Path, clock: FakeClock
) -> None:
    runner = SlurmRunner(SlurmConfig(nodes=1, ray_bootstrap="none", lost_grace_s=0.01), clock=clock)
    runner.spawn_sweep(requests(3), mode="array")
    slurm.configure(accounting=accounting)
    slurm.change_job(slurm.only_job["id"], taken_out=[2])
    assert runner.poll(["r2"])[0].status == "pending"
    (state,) = runner.poll(["r2"])
    assert state.failure is not None
    assert state.failure.kind == "cancelled"


def end(runner: SlurmRunner, run_id: str, *, completed: bool, number: int = 1) -> None:
    """What a job leaves."""
    paths = RunPaths(runner.output_dir, run_id).submission(number)
    paths.folder.mkdir(parents=True, exist_ok=True)
    status = "completed" if completed else "failed"
    token = read_token(paths)
    output = TaskOutput(run_id=run_id, status=status, submission=number, token=token)  # type: ignore[arg-type]
    write_json(paths.result, output.to_json())
    paths.ended.parent.mkdir(exist_ok=True)
    code = int(not completed)
    ended = {
        "version": 1,
        "token": token,
        "job_id": "1",
        "restart": 0,
        "stage": "entrypoint",
        "signal": "",
    }
    write_json(paths.ended, {**ended, "exit_code": code, "entrypoint_exit_code": code})


def test_a_sweep_is_resumed_by_content_and_runs_only_what_failed_or_is_new(
    runner: SlurmRunner, slurm: FakeSlurm
) -> None:
    runner.spawn_sweep(requests(4))
    for number, completed in enumerate([True, False, True, False]):
        end(runner, f"r{number}", completed=completed)
    asked = [{**CONFIG, "x": number} for number in (4, 3, 2, 1, 0)]
    sweep = runner.spawn_sweep(asked, resume=True)
    new, *known = sweep.run_ids
    assert known == ["r3", "r2", "r1", "r0"]
    last = slurm.jobs[max(slurm.jobs)]
    assert last["options"]["array"] == "0-2"
    (batch,) = [each for each in batches(runner) if each.name == sweep.sweep_id]
    lines = batch.runs.read_text().splitlines()
    assert [line.split()[0] for line in lines] == [f"{new}/1", "r3/2", "r1/2"]
    assert [state.status for state in runner.poll(known)] == [
        "pending", "completed", "pending", "completed",
    ]  # fmt: skip


def test_a_damaged_record_does_not_keep_a_sweep_from_being_resumed(
    runner: SlurmRunner, slurm: FakeSlurm
) -> None:
    runner.spawn_sweep(requests(3))
    end(runner, "r0", completed=False)
    end(runner, "r2", completed=False)
    assert runner.retry("r0").job_id is not None
    again = RunPaths(runner.output_dir, "r0").submission(2)
    for path in (again.job, again.intent):
        path.unlink()
    runner.spawn_sweep(requests(3), resume=True)
    last = slurm.jobs[max(slurm.jobs)]
    assert last["options"]["array"] == "0-0", "that is r2; r1 is in the queue"


def test_equal_configs_are_as_many_runs(runner: SlurmRunner) -> None:
    twins = [{**CONFIG, "x": 1}] * 3
    first = runner.spawn_sweep(twins)
    again = runner.spawn_sweep(twins, resume=True)
    assert again.run_ids == first.run_ids
    assert len(set(first.run_ids)) == 3


def test_a_name_that_stands_for_another_config_is_refused(runner: SlurmRunner) -> None:
    runner.spawn_sweep(requests(2))
    other = TaskRequest(config={**CONFIG, "x": 77}, run_id="r1")
    with pytest.raises(RunExistsError, match="with another config"):
        runner.spawn_sweep([other], resume=True)
    with pytest.raises(RunExistsError, match="exist already: r1"):
        runner.spawn_sweep([other])


def test_a_template_that_knows_single_runs_only_is_refused_before_anything_is_written(
    slurm: FakeSlurm, folder: Path
) -> None:
    (folder / "site.sh").write_text("#!/bin/bash\n@{directives}\ntmgg_dir=@{folder}\n")
    runner = SlurmRunner(SlurmConfig(script_template="site.sh", sweep_mode="array"))
    with pytest.raises(ConfigError, match=r"has no @\{run\}"):
        runner.spawn_sweep(requests(2))
    assert not runner.output_dir.exists()


def test_the_last_run_removed_takes_its_batches_with_it(runner: SlurmRunner) -> None:
    runner.spawn_sweep(requests(2))
    for number in range(2):
        end(runner, f"r{number}", completed=True)
        remove_run(RunPaths(runner.output_dir, f"r{number}"), with_output=True, may_go=lambda: True)
        left = [paths.run_id for paths in runs_in(runner.output_dir)]
        assert left == ["r1"][: 1 - number]
    assert list((runner.output_dir / BatchPaths.FOLDER_NAME).iterdir()) == []


def test_a_sweep_that_is_just_being_noted_is_not_taken_for_an_empty_one(
    runner: SlurmRunner, monkeypatch: pytest.MonkeyPatch
) -> None:
    def with_gc_beside(*arguments: Any) -> None:
        sweep_records.remove_empty(runner.output_dir)
        batches_.create_batch(*arguments)

    monkeypatch.setattr(sweep_records, "create_batch", with_gc_beside)
    sweep = runner.spawn_sweep(requests(2))
    assert load_sweep(SweepPaths(runner.output_dir, sweep.sweep_id)) is not None


def test_removing_many_runs_does_not_read_their_batches_for_each(
    runner: SlurmRunner, monkeypatch: pytest.MonkeyPatch
) -> None:
    read: list[str] = []

    def counted(batch: BatchPaths) -> list[tuple[str, int]]:
        read.append(batch.batch_id)
        return batches_.names_in(batch)

    monkeypatch.setattr(batch_index, "names_in", counted)
    for run_id in runner.spawn_sweep(requests(20)).run_ids:
        end(runner, run_id, completed=True)
        remove_run(RunPaths(runner.output_dir, run_id), with_output=True, may_go=lambda: True)
    assert list((runner.output_dir / BatchPaths.FOLDER_NAME).iterdir()) == []
    assert len(read) <= 6


def test_the_record_says_how_the_sweep_was_launched(runner: SlurmRunner) -> None:
    sweep = runner.spawn_sweep(requests(2), parallelism=2)
    path = SweepPaths(runner.output_dir, sweep.sweep_id).record
    record = json.loads(path.read_text())
    assert (record["mode"], record["parallelism"], record["backend"]) == ("array", 2, "slurm")
    assert path.stat().st_mode & 0o777 == 0o600


def _size(array: str) -> int:
    return int(array.partition("%")[0].partition("-")[2]) + 1


@pytest.mark.parametrize(
    ("changes", "silent_s", "expected"),
    [
        ({}, 0, "pending"),
        ({"process_start": "1"}, 0, "failed"),
        ({"host": "elsewhere"}, LEASE_S - 2, "pending"),
        ({"host": "elsewhere"}, LEASE_S + 1, "failed"),
        ({"scope": "a container", "pid": 2**22 + 1}, LEASE_S - 2, "pending"),
        ({"scope": "a container", "pid": 2**22 + 1}, LEASE_S + 1, "failed"),
    ],
    ids=["alive", "dead", "elsewhere", "silent-elsewhere", "in-a-container", "silent-in-one"],
)
def test_what_waits_is_given_up_once_its_launcher_is_gone(
    runner: SlurmRunner, changes: dict[str, str], silent_s: float, expected: str
) -> None:
    plan = runner.plan_sweep(requests(2), SweepOptions(mode="separate", parallelism=1))
    runner.runs.note_sweep(plan, gpu_type=None)
    intent = BatchPaths(runner.output_dir, f"{plan.sweep_id}.0").intent
    write_json(intent, json.loads(intent.read_text()) | changes)
    silent_since = time.time() - silent_s
    os.utime(intent, (silent_since, silent_since))
    (state, _other) = SlurmRunner(ARRAY).poll(["r0", "r1"])
    assert state.status == expected
    # Whoever only looks decides nothing.
    assert not RunPaths(runner.output_dir, "r0").folder.exists()
    if expected == "failed":
        assert state.failure is not None
        assert "the launcher of the sweep ended before this run's turn" in state.failure.message
        assert SlurmRunner(ARRAY).retry("r0").job_id is not None


def test_runs_of_an_array_that_was_taken_back_wait_again(
    runner: SlurmRunner, slurm: FakeSlurm
) -> None:
    for command in ("sbatch", "squeue"):
        slurm.break_command(command, exit_code=1, stderr=LOST, times=None)
    sweep = runner.spawn_sweep(requests(3))
    (batch,) = batches(runner)
    assert SlurmRunner(ARRAY).poll(sweep.run_ids)[0].reason == "being submitted"
    shutil.rmtree(batch.folder)  # by another process
    states = SlurmRunner(ARRAY).poll(sweep.run_ids)
    assert {state.status for state in states} == {"pending"}
    states = SlurmRunner(ARRAY).poll(sweep.run_ids)
    assert {state.reason for state in states} == {NOT_SUBMITTED}


def test_a_run_that_was_retried_by_itself_is_not_in_the_next_array(
    runner: SlurmRunner, slurm: FakeSlurm
) -> None:
    runner.spawn_sweep(requests(3))
    for number in range(3):
        end(runner, f"r{number}", completed=False)
    plan = runner.plan_sweep(requests(3), SweepOptions(resume=True))
    dispatcher = runner.runs.dispatcher(plan, gpu_type=None, resume=True)
    slurm.configure(max_submit=0)
    assert dispatcher.dispatch(plan.requests, open_count=0).held
    slurm.configure(max_submit=None)
    alone = SlurmRunner(ARRAY).retry("r1").job_id
    done = dispatcher.dispatch(plan.requests, open_count=0)
    assert done.launched["r1"] == alone
    arrays = [job["options"]["array"] for job in slurm.jobs.values() if job["id"] != alone]
    assert [_size(array) for array in arrays] == [3, 1, 1]
    assert RunPaths(runner.output_dir, "r1").submission_numbers() == [1, 2]
    assert RunPaths(runner.output_dir, "r0").submission_numbers() == [1, 2]


def test_only_the_launcher_of_what_waits_says_that_it_is_alive(runner: SlurmRunner) -> None:
    plan = runner.plan_sweep(requests(2), SweepOptions(mode="separate", parallelism=1))
    runner.runs.note_sweep(plan, gpu_type=None)
    intent = BatchPaths(runner.output_dir, f"{plan.sweep_id}.0").intent
    os.utime(intent, (1000, 1000))
    runner.runs.show_alive(plan.sweep_id)
    assert intent.stat().st_mtime > 1000
    write_json(intent, json.loads(intent.read_text()) | {"host": "elsewhere"})
    os.utime(intent, (1000, 1000))
    runner.runs.show_alive(plan.sweep_id)
    assert intent.stat().st_mtime == 1000


def test_a_sweep_that_ended_early_says_so_to_whoever_asks_later(
    slurm: FakeSlurm, folder: Path, clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(waiting, "Clock", lambda: clock)
    slurm.configure(closed_partitions=["gpu"])
    runner = SlurmRunner(SlurmConfig(nodes=1, ray_bootstrap="none"), clock=clock)
    results = runner.run_sweep(requests(4), parallelism=1, policy=SweepPolicy(max_failures=2))
    told = [SlurmRunner(ARRAY).collect(f"r{number}") for number in range(4)]
    for mine, theirs in zip(results, told, strict=True):
        assert mine.failure is not None
        assert theirs.failure is not None
        assert mine.failure.kind == theirs.failure.kind
    assert [each.failure.kind for each in told if each.failure] == [
        "submission", "submission", "cancelled", "cancelled",
    ]  # fmt: skip
