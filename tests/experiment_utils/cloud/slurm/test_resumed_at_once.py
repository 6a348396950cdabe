"""Launchers that resume the same configs at the same time: each config runs once."""

import math
import os
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from tests.fakes.slurm.fake import FakeSlurm
from tmgg.errors import SubmissionError
from tmgg.experiment_utils.cloud import SlurmConfig, SlurmRunner
from tmgg.experiment_utils.cloud.futures.call_future import RunFuture
from tmgg.experiment_utils.cloud.runs import CallOptions, SweepMode
from tmgg.experiment_utils.cloud.runs_on_record import waiting
from tmgg.experiment_utils.cloud.runs_on_record.waiting import Clock
from tmgg.experiment_utils.cloud.sweep import records as sweep_records
from tmgg.experiment_utils.cloud.sweep.plan import SweepOptions
from tmgg.experiment_utils.files import leases
from tmgg.experiment_utils.files.atomic_file import write_json
from tmgg.experiment_utils.run_folder.paths import BatchPaths, SweepPaths
from tmgg.experiment_utils.run_folder.registry import new_intent

CONFIGS = [{"experiment": {"_target_": "lab:run"}, "x": x} for x in range(3)]


class WaitingClock(Clock):
    """Says when somebody waits."""

    def __init__(self) -> None:
        self.waits = threading.Event()

    def sleep(self, duration_s: float) -> None:
        self.waits.set()
        time.sleep(min(duration_s, 0.01))


Launch = Callable[[SlurmRunner, SweepMode], list[str]]


def by_sweep(runner: SlurmRunner, mode: SweepMode) -> list[str]:
    return runner.spawn_sweep(CONFIGS, mode=mode, resume=True).run_ids


def by_map(runner: SlurmRunner, mode: SweepMode) -> list[str]:
    return let_go(runner.map(math.sqrt, range(3), mode=mode, resume=True))


def by_batch(runner: SlurmRunner, mode: SweepMode) -> list[str]:
    with runner.batch(CallOptions(mode=mode, resume=True)) as batch:
        for x in range(3):
            batch.add(math.sqrt, x)
    return let_go(batch.futures)


def let_go(futures: list[RunFuture[float]]) -> list[str]:
    """The runs of the futures, which nothing watches any more."""
    for future in futures:
        future.count_as_cancelled()
    return [future.run_id for future in futures]


class Other(threading.Thread):
    """Another launcher of the same runs."""

    def __init__(self, launch: Launch, mode: SweepMode) -> None:
        super().__init__()
        self.clock = WaitingClock()
        self._launch = launch
        self._mode = mode
        self.run_ids: list[str] = []

    def run(self) -> None:
        self.run_ids = self._launch(new_runner(self.clock), self._mode)

    def begin(self) -> None:
        """Return once it waits, or is done."""
        self.start()
        while self.is_alive() and not self.clock.waits.wait(0.01):
            continue


def new_runner(clock: Clock | None = None) -> SlurmRunner:
    settings = SlurmConfig(nodes=1, ray_bootstrap="none", gpus_per_task=0, mem_per_cpu="1MB")
    return SlurmRunner(settings, clock=clock)


def once(monkeypatch: pytest.MonkeyPatch, action: Callable[[], None]) -> None:
    """Act when a launcher has looked and is about to put its new runs on record."""
    note = sweep_records.note_sweep

    def overtaken(*arguments: object) -> None:
        monkeypatch.setattr(sweep_records, "note_sweep", note)
        action()
        note(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(sweep_records, "note_sweep", overtaken)


@pytest.mark.parametrize("launch", [by_sweep, by_map, by_batch])
@pytest.mark.parametrize("mode", ["separate", "array"])
def test_of_two_that_resume_at_once_one_waits_and_takes_the_others_runs(
    slurm: FakeSlurm,
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
    mode: SweepMode,
    launch: Launch,
) -> None:
    other = Other(launch, mode)
    once(monkeypatch, other.begin)
    mine = launch(new_runner(), mode)
    other.join(60)
    assert other.run_ids == mine
    assert len(slurm.submissions()) == (3 if mode == "separate" else 1)


def test_a_resumed_sweep_is_not_recorded_without_the_lock_under_which_it_was_planned(
    slurm: FakeSlurm, folder: Path
) -> None:
    runner = new_runner()
    plan = runner.plan_sweep(CONFIGS, SweepOptions(resume=True))
    with pytest.raises(AssertionError, match="under one lock"):
        runner.runs.note_sweep(plan, gpu_type=None)
    assert list((runner.output_dir / SweepPaths.FOLDER_NAME).glob("*.json")) == []


def test_what_another_went_on_with_is_not_submitted_by_one_that_was_stopped(
    slurm: FakeSlurm, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    runner = new_runner()

    def lose_the_lock() -> None:
        sweeps = runner.output_dir / SweepPaths.FOLDER_NAME
        write_json(sweeps / ".resume.2", replace(new_intent(), host="elsewhere").to_json())

    once(monkeypatch, lose_the_lock)
    with pytest.raises(SubmissionError, match="was stopped for more than 120 s"):
        runner.spawn_sweep(CONFIGS, mode="separate", resume=True)
    assert slurm.submissions() == []
    (sweep_id,) = (path.stem for path in (runner.output_dir / ".sweeps").glob("*.json"))
    (state,) = new_runner().poll([f"{sweep_id}-0"])
    assert (state.status, state.final) == ("failed", True)
    assert state.failure is not None
    assert "another process took the lock" in state.failure.message


def launcher_elsewhere(monkeypatch: pytest.MonkeyPatch, runner: SlurmRunner) -> BatchPaths:
    """One that has put three runs on record and waits for room in the queue."""
    elsewhere = replace(new_intent(), host="elsewhere", scope="another boot")
    with monkeypatch.context() as patch:
        patch.setattr(sweep_records, "new_intent", lambda *_place: elsewhere)
        plan = runner.plan_sweep(CONFIGS, SweepOptions(mode="separate"))
        runner.runs.note_sweep(plan, gpu_type=None)
    return sweep_records.waiting_batch(runner.output_dir, plan.sweep_id)


@pytest.mark.parametrize("mode", ["separate", "array"])
def test_a_resume_leaves_the_runs_of_a_launcher_that_lives_to_it_and_says_so(
    slurm: FakeSlurm,
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    mode: SweepMode,
) -> None:
    launcher_elsewhere(monkeypatch, new_runner())
    sweep = new_runner().spawn_sweep(CONFIGS, mode=mode, resume=True)
    assert slurm.submissions() == []
    assert sweep.refused == {}
    assert "3 of 3 recognised (3 under way); 0 to run" in caplog.text
    assert "3 wait for the launcher that put them on record, which is still at work" in caplog.text


@pytest.mark.parametrize("mode", ["separate", "array"])
def test_a_resume_takes_over_from_a_launcher_that_ends_meanwhile(
    slurm: FakeSlurm, folder: Path, monkeypatch: pytest.MonkeyPatch, mode: SweepMode
) -> None:
    (folder / "lab.py").write_text("def run(config):\n    return {'x': config.x}\n")
    held = launcher_elsewhere(monkeypatch, new_runner())
    monkeypatch.setattr(waiting, "FIRST_POLL_INTERVAL_S", 0.01)
    runner = new_runner()
    long_ago = time.time() - leases.LEASE_S - 60
    seen: list[str] = []

    def see(states: object) -> None:
        if not seen:
            os.utime(held.intent, (long_ago, long_ago))
        seen.append(str(states))

    slurm.configure(run_jobs=True)
    results = runner.run_sweep(CONFIGS, mode=mode, resume=True, on_update=see)
    assert [result.metrics for result in results] == [{"x": 0.0}, {"x": 1.0}, {"x": 2.0}]
    assert len(slurm.jobs) == 3


# The pretended Slurm runs one element of an array.
@pytest.mark.parametrize(("mode", "count"), [("separate", 3), ("array", 1)])
def test_a_resumed_map_takes_over_from_a_launcher_that_ends_meanwhile(
    slurm: FakeSlurm, folder: Path, monkeypatch: pytest.MonkeyPatch, mode: SweepMode, count: int
) -> None:
    monkeypatch.setattr(waiting, "FIRST_POLL_INTERVAL_S", 0.01)
    held = calls_held_elsewhere(slurm, monkeypatch, count)
    slurm.configure(run_jobs=True, max_submit=None)
    futures = new_runner().map(math.sqrt, range(count), mode=mode, parallelism=1, resume=True)
    assert [future.run_id for future in futures] == held
    assert slurm.jobs == {}

    sweep_id = held[0].rpartition("-")[0]
    intent = sweep_records.waiting_batch(new_runner().output_dir, sweep_id).intent
    long_ago = time.time() - leases.LEASE_S - 60
    os.utime(intent, (long_ago, long_ago))
    assert [future.result(60) for future in futures] == [0, 1, 2**0.5][:count]


def calls_held_elsewhere(
    slurm: FakeSlurm, monkeypatch: pytest.MonkeyPatch, count: int
) -> list[str]:
    """Runs of calls that a launcher on another host has put on record; it waits for room."""
    elsewhere = replace(new_intent(), host="elsewhere", scope="another boot")
    slurm.configure(max_submit=0)
    with monkeypatch.context() as patch:
        patch.setattr(sweep_records, "new_intent", lambda *_place: elsewhere)
        return let_go(new_runner().map(math.sqrt, range(count), mode="separate"))
