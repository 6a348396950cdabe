"""A run id that is on record is never made again by a caller that did not ask to resume it."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.fakes.slurm.fake import FakeSlurm
from tmgg.errors import RunExistsError
from tmgg.experiment_utils.cloud import SlurmConfig, SlurmRunner
from tmgg.experiment_utils.cloud.runs import SweepMode, TaskRequest
from tmgg.experiment_utils.cloud.runs_on_record import run_submitter
from tmgg.experiment_utils.cloud.sweep import records as sweep_records
from tmgg.experiment_utils.cloud.sweep.plan import SweepOptions
from tmgg.experiment_utils.run_folder.paths import RunPaths
from tmgg.experiment_utils.run_folder.registry import create_run, new_intent

IDS = ["r0", "r1"]


def config(x: int) -> dict[str, Any]:
    return {"experiment": {"_target_": "lab:run"}, "x": x}


def requests(first: int = 0) -> list[TaskRequest]:
    return [TaskRequest(config=config(first + n), run_id=run_id) for n, run_id in enumerate(IDS)]


@pytest.fixture
def runner(slurm: FakeSlurm, folder: Path) -> SlurmRunner:
    return new_runner()


def new_runner() -> SlurmRunner:
    return SlurmRunner(SlurmConfig(nodes=1, gpus_per_task=0, mem_per_cpu="1MB"))


def put_on_record(runner: SlurmRunner, *, is_alive: bool = True) -> str:
    """Record a sweep of which nothing is submitted yet; returns its id."""
    plan = runner.plan_sweep(requests(), SweepOptions(mode="separate"))
    with pytest.MonkeyPatch.context() as patch:
        elsewhere = replace(new_intent(), host="elsewhere", scope="another boot")
        over = replace(new_intent(), process_start="another")
        intent = elsewhere if is_alive else over
        patch.setattr(sweep_records, "new_intent", lambda *_place: intent)
        runner.runs.note_sweep(plan, gpu_type=None)
    return plan.sweep_id


Begin = Callable[[SlurmRunner], object]


def waiting(runner: SlurmRunner) -> object:
    return put_on_record(runner)


def abandoned(runner: SlurmRunner) -> object:
    return put_on_record(runner, is_alive=False)


def submitted(runner: SlurmRunner) -> object:
    return runner.spawn_sweep(requests(), mode="separate")


def element(runner: SlurmRunner) -> object:
    return runner.spawn_sweep(requests(), mode="array")


def cancelled(runner: SlurmRunner) -> object:
    put_on_record(runner, is_alive=False)
    return runner.cancel("r1")


STATES = [waiting, abandoned, submitted, element, cancelled]


@pytest.mark.parametrize("begin", STATES)
@pytest.mark.parametrize("x", [1, 5])
def test_the_id_of_a_sweeps_run_is_refused(
    slurm: FakeSlurm, runner: SlurmRunner, begin: Begin, x: int
) -> None:
    begin(runner)
    before = len(slurm.submissions())
    with pytest.raises(RunExistsError, match=r"run 'r1'.* already exists.*Choose another run_id"):
        new_runner().spawn_experiment(config(x), run_id="r1")
    assert len(slurm.submissions()) == before
    assert runner.poll(["r1"])[0].attempt == 1


@pytest.mark.parametrize("begin", STATES)
def test_the_id_of_a_sweeps_run_is_not_resumed_with_another_content(
    slurm: FakeSlurm, runner: SlurmRunner, begin: Begin
) -> None:
    begin(runner)
    before = len(slurm.submissions())
    with pytest.raises(RunExistsError, match="another config or program: it differs in x"):
        new_runner().spawn_experiment(config(5), run_id="r1", resume=True)
    assert len(slurm.submissions()) == before


@pytest.mark.parametrize(
    ("begin", "submitted_now"), [(waiting, 0), (abandoned, 1), (submitted, 0), (element, 0)]
)
def test_a_run_that_is_resumed_by_itself_is_submitted_only_if_no_process_has_done_or_will_do_so(
    slurm: FakeSlurm, runner: SlurmRunner, begin: Begin, submitted_now: int
) -> None:
    begin(runner)
    before = len(slurm.submissions())
    assert new_runner().spawn_experiment(config(1), run_id="r1", resume=True).run_id == "r1"
    assert len(slurm.submissions()) == before + submitted_now


def test_elements_of_an_array_are_not_submitted_again_when_their_sweep_is_resumed_one_by_one(
    slurm: FakeSlurm, runner: SlurmRunner
) -> None:
    element(runner)
    sweep = new_runner().spawn_sweep(requests(), mode="separate", resume=True)
    assert (sweep.run_ids, sweep.refused) == (IDS, {})
    assert len(slurm.submissions()) == 1


@pytest.mark.parametrize("mode", ["separate", "array"])
def test_a_run_that_another_process_has_resumed_meanwhile_is_followed(
    slurm: FakeSlurm, runner: SlurmRunner, mode: SweepMode
) -> None:
    plan = runner.plan_sweep(requests(), SweepOptions(mode="separate"))
    dispatcher = runner.runs.dispatcher(plan, gpu_type=None, resume=False)
    with pytest.MonkeyPatch.context() as patch:
        over = replace(new_intent(), process_start="another")  # it seems to have ended
        patch.setattr(sweep_records, "new_intent", lambda *_place: over)
        runner.runs.note_sweep(plan, gpu_type=None)
    new_runner().spawn_sweep(requests(), mode=mode, resume=True)
    before = len(slurm.submissions())
    done = dispatcher.dispatch(plan.requests, open_count=0)
    assert (done.refused, done.held, [*done.launched]) == ({}, "", IDS)
    assert len(slurm.submissions()) == before


def test_a_waiting_run_in_whose_place_is_another_one_is_refused(
    slurm: FakeSlurm, runner: SlurmRunner
) -> None:
    plan = runner.plan_sweep(requests(), SweepOptions(mode="separate"))
    dispatcher = runner.runs.dispatcher(plan, gpu_type=None, resume=False)
    runner.runs.note_sweep(plan, gpu_type=None)
    with pytest.MonkeyPatch.context() as patch:  # as a TMGG that does not look into batches
        patch.setattr(run_submitter, "place_in_batch", lambda _paths: None)
        patch.setattr(run_submitter, "yield_to_batch", lambda _submission: None)
        new_runner().spawn_experiment(config(5), run_id="r1")
    done = dispatcher.dispatch(plan.requests, open_count=0)
    assert [*done.launched] == ["r0"]
    assert "another config or program: it differs in x" in done.refused["r1"]


def test_a_single_run_is_withdrawn_if_a_sweep_records_its_id_meanwhile(
    slurm: FakeSlurm, runner: SlurmRunner, monkeypatch: pytest.MonkeyPatch
) -> None:
    def overtaken(*arguments: Any) -> object:
        put_on_record(runner)
        return create_run(*arguments)

    monkeypatch.setattr(run_submitter, "create_run", overtaken)
    with pytest.raises(RunExistsError, match=r"'r1' of sweep .* already exists"):
        new_runner().spawn_experiment(config(5), run_id="r1")
    assert slurm.submissions() == []
    assert not RunPaths(runner.output_dir, "r1").folder.exists()


@pytest.mark.parametrize("mode", ["separate", "array"])
def test_a_sweep_is_refused_if_one_of_its_runs_is_made_meanwhile(
    slurm: FakeSlurm, runner: SlurmRunner, monkeypatch: pytest.MonkeyPatch, mode: SweepMode
) -> None:
    note = sweep_records.note_sweep
    run = RunPaths(runner.output_dir, "r1")

    def overtaken(*arguments: Any) -> None:
        new_runner().spawn_experiment(config(5), run_id="r1")
        run.stdout.write_text("a line of the run that lives")
        note(*arguments)

    monkeypatch.setattr(sweep_records, "note_sweep", overtaken)
    with pytest.raises(RunExistsError, match=r"exist already: r1\. Nothing was submitted"):
        runner.spawn_sweep(requests(), mode=mode)
    assert len(slurm.submissions()) == 1
    assert run.stdout.exists()
    assert [*(runner.output_dir / ".sweeps").glob("*.json")] == []


@pytest.mark.parametrize("mode", ["separate", "array"])
def test_of_two_sweeps_at_once_with_the_same_ids_one_is_refused(
    slurm: FakeSlurm, runner: SlurmRunner, mode: SweepMode
) -> None:
    plan = runner.plan_sweep(requests(), SweepOptions(mode=mode))
    new_runner().spawn_sweep(requests(5), mode=mode)
    before = len(slurm.submissions())
    with pytest.raises(RunExistsError, match=r"exist already: r0, r1\. Nothing was submitted"):
        runner.runs.note_sweep(plan, gpu_type=None)
    assert len(slurm.submissions()) == before


def test_ids_that_the_caller_chose_are_looked_up_and_recorded_under_the_lock(
    slurm: FakeSlurm, runner: SlurmRunner, monkeypatch: pytest.MonkeyPatch
) -> None:
    taken: list[bool] = []
    note = sweep_records.note_sweep

    def seen(*arguments: Any) -> None:
        taken.append(any((runner.output_dir / ".sweeps").glob(".resume.*")))
        note(*arguments)

    monkeypatch.setattr(sweep_records, "note_sweep", seen)
    runner.spawn_sweep(requests(), mode="separate")
    assert taken == [True]
