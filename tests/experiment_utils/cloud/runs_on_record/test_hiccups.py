"""A file system that does not answer for a while ends no run, starts none again, and loses none."""

import errno
import os
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from tests.fakes.hiccup import Hiccup
from tests.fakes.slurm.fake import FakeSlurm
from tmgg.errors import RecordError, SubmissionError
from tmgg.experiment_utils.cloud import LocalRunner, SlurmConfig, SlurmRunner
from tmgg.experiment_utils.cloud.local.runner import view_process
from tmgg.experiment_utils.cloud.runs import RunState, SweepMode, TaskRequest
from tmgg.experiment_utils.cloud.runs_on_record import waiting
from tmgg.experiment_utils.cloud.runs_on_record.recorded import RecordedRuns
from tmgg.experiment_utils.cloud.slurm.submit.batch_submission import BatchSubmitter, _last_number
from tmgg.experiment_utils.cloud.sweep.plan import SweepOptions
from tmgg.experiment_utils.cloud.sweep.policy import SweepPolicy
from tmgg.experiment_utils.files import hiccups
from tmgg.experiment_utils.files.process_names import process_name
from tmgg.experiment_utils.run_folder.batch_index import _index, find_member
from tmgg.experiment_utils.run_folder.paths import RunPaths
from tmgg.experiment_utils.run_folder.registry import new_intent
from tmgg.experiment_utils.run_folder.remains import set_aside_remains

LAB = """
import time
from pathlib import Path
def gated(config):
    Path(f"{config.name}.begun").touch()
    while not Path("gate").exists():
        time.sleep(0.02)
    return config.x
"""
ERRORS = [errno.EACCES, errno.ESTALE, errno.EIO]


@pytest.fixture
def hiccup(monkeypatch: pytest.MonkeyPatch) -> Hiccup:
    return Hiccup(monkeypatch)


def config(name: str, x: int = 1) -> dict[str, object]:
    return {"experiment": {"_target_": "lab:gated"}, "name": name, "x": x}


def until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


@pytest.mark.parametrize("mode", ["separate", "array", "packed"])
@pytest.mark.parametrize("number", ERRORS)
def test_a_job_that_slurm_ended_is_not_lost_while_its_files_cannot_be_read(
    slurm: FakeSlurm, folder: Path, hiccup: Hiccup, number: int, mode: SweepMode
) -> None:
    settings = SlurmConfig(
        nodes=1, ray_bootstrap="managed", lost_grace_s=0.001, gpus_per_task=0, mem_per_cpu="1MB"
    )
    runner = SlurmRunner(settings)
    runner.spawn_sweep([TaskRequest(config=config("a"), run_id="a")], mode=mode)
    (state,) = runner.poll(["a"])
    assert (state.status, state.answered) == ("pending", True)
    slurm.change_job(slurm.only_job["id"], state="NODE_FAIL")
    for place in (runner.output_dir, runner.output_dir / "a"):
        hiccup.begin(place, number)
        for _look in range(3):
            (state,) = SlurmRunner.poll(runner, ["a"])
            if place == runner.output_dir or hiccup.refused:
                assert (state.final, state.failure) == (False, None)
        with pytest.raises((RecordError, OSError, SubmissionError)):
            runner.retry("a")
        assert len(slurm.jobs) == 1
        hiccup.end()
        hiccup.refused = 0
    (state,) = runner.poll(["a"])
    assert state.failure is not None
    assert state.failure.kind == "node_fail"


@pytest.mark.parametrize("place", ["run", "output_dir"])
def test_a_folder_that_was_there_and_is_not_found_is_waited_for(
    slurm: FakeSlurm, folder: Path, place: str
) -> None:
    runner = SlurmRunner(SlurmConfig(nodes=1, ray_bootstrap="none", lost_grace_s=0.001))
    job = runner.spawn_experiment(config("a"), run_id="a").job_id
    slurm.change_job(str(job), state="NODE_FAIL")
    gone = runner.output_dir if place == "output_dir" else RunPaths(runner.output_dir, "a").folder
    gone.rename(folder / "away")
    (state,) = runner.poll(["a"])
    assert (state.final, state.answered) == (False, False)
    assert "is not found now" in state.note
    (folder / "away").rename(gone)
    (state,) = runner.poll(["a"])
    assert state.failure is not None
    assert state.failure.kind == "node_fail"


def test_what_does_not_come_back_within_the_grace_is_an_error(
    slurm: FakeSlurm, folder: Path, hiccup: Hiccup, monkeypatch: pytest.MonkeyPatch
) -> None:
    runner = SlurmRunner(SlurmConfig(nodes=1, ray_bootstrap="none"))
    runner.spawn_experiment(config("a"), run_id="a")
    now = time.monotonic()
    assert isinstance(runner.runs, RecordedRuns)
    monkeypatch.setattr(runner.runs.poller.judge._hiccups, "_monotonic", lambda: now)
    hiccup.begin(runner.output_dir, errno.EIO)
    assert not runner.poll(["a"])[0].final
    now += hiccups.HICCUP_GRACE_S - 1
    assert not runner.poll(["a"])[0].final
    now += 2
    with pytest.raises(RecordError, match="Input/output error"):
        runner.poll(["a"])


@pytest.mark.parametrize("number", ERRORS)
def test_a_launcher_waits_it_out_and_no_failure_is_counted(
    folder: Path, hiccup: Hiccup, number: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    (folder / "lab.py").write_text(LAB)
    runner = LocalRunner()
    assert isinstance(runner.runs, RecordedRuns)
    backend = runner.runs.backend
    backend.traits = replace(backend.traits, grace_s=0.2)
    monkeypatch.setattr(waiting, "FIRST_POLL_INTERVAL_S", 0.1)
    monkeypatch.setattr("tmgg.experiment_utils.cloud.sweep.driver.FIRST_HOLD_S", 0.1)
    seen: list[RunState] = []
    unread = threading.Event()

    def look(states: object) -> None:
        seen.extend(states)  # type: ignore[arg-type]
        if any(not state.answered for state in seen):
            unread.set()

    def trouble() -> None:
        until(lambda: (folder / "a.begun").exists() and (folder / "b.begun").exists())
        hiccup.begin(runner.output_dir, number)
        (folder / "gate").touch()
        unread.wait(60)
        time.sleep(1.0)  # longer than the grace for what is missing
        hiccup.end()

    troublemaker = threading.Thread(target=trouble)
    troublemaker.start()
    requests = [TaskRequest(config=config(name), run_id=name) for name in "abc"]
    policy = SweepPolicy(max_failures=1, retries=2)
    results = runner.run_sweep(requests, parallelism=2, policy=policy, on_update=look)
    troublemaker.join()
    assert [(result.status, result.attempts) for result in results] == [("completed", 1)] * 3
    assert unread.is_set()


@pytest.mark.parametrize("number", ERRORS)
def test_a_log_that_cannot_be_read_leaves_the_reason_of_a_failure_open(
    slurm: FakeSlurm, folder: Path, hiccup: Hiccup, number: int
) -> None:
    runner = SlurmRunner(SlurmConfig(nodes=1, gpus_per_task=0, mem_per_cpu="1MB"))
    runner.spawn_experiment(config("a"), run_id="a")
    slurm.change_job(slurm.only_job["id"], state="FAILED", exit_code="1:0")
    paths = RunPaths(runner.output_dir, "a")
    paths.stderr.write_text("tmgg: setup command failed with exit code 1: false\n")
    hiccup.begin(paths.stderr, number)
    (state,) = runner.poll(["a"])
    assert (state.final, paths.submission(1).verdict.exists()) == (False, False)


def test_a_process_that_nobody_can_look_for_has_not_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    job_id = process_name(os.getpid())
    intent = new_intent()

    def no_descriptor_left(*_arguments: object, **_options: object) -> str:
        raise OSError(errno.EMFILE, "Too many open files")

    monkeypatch.setattr(Path, "read_text", no_descriptor_left)
    assert view_process(job_id) is None
    with pytest.raises(OSError, match="Too many"):
        _ = intent.submitter_has_ended


@pytest.mark.parametrize("place", [".batches", ".batches/s.0"])
@pytest.mark.parametrize("number", ERRORS)
def test_a_run_may_be_in_a_batch_that_cannot_be_seen(
    slurm: FakeSlurm, folder: Path, hiccup: Hiccup, number: int, place: str
) -> None:
    runner = SlurmRunner(SlurmConfig(nodes=1, gpus_per_task=0, mem_per_cpu="1MB"))
    sweep = runner.spawn_sweep([config("a"), config("b")], mode="array")
    hiccup.begin(runner.output_dir / place.replace("s.0", f"{sweep.sweep_id}.1"), number)
    _index.cache_clear()
    with pytest.raises(OSError, match=str(number)):
        find_member(RunPaths(runner.output_dir, "nobody").submission(1))
    if place == ".batches":
        with pytest.raises(OSError, match=str(number)):
            _last_number(runner.output_dir, sweep.sweep_id)


@pytest.mark.parametrize("number", ERRORS)
def test_remains_that_cannot_be_seen_are_reported(
    folder: Path, hiccup: Hiccup, caplog: pytest.LogCaptureFixture, number: int
) -> None:
    runs = [RunPaths(folder / "outputs", f"r{index}") for index in range(20)]
    (folder / "outputs" / ".ended").mkdir(parents=True)
    hiccup.begin(folder / "outputs" / ".ended", number)
    for some in (runs[:1], runs):
        caplog.clear()
        set_aside_remains(some)
        assert "cannot be seen" in caplog.text


@pytest.mark.parametrize("mode", ["array", "packed"])
@pytest.mark.parametrize("number", ERRORS)
def test_what_was_submitted_stays_so_when_the_next_look_fails(
    slurm: FakeSlurm, folder: Path, monkeypatch: pytest.MonkeyPatch, number: int, mode: SweepMode
) -> None:
    slurm.configure(max_array_size=2)
    runner = SlurmRunner(SlurmConfig(nodes=1, ray_bootstrap="managed", gpus_per_task=0))
    requests = [TaskRequest(config=config(f"r{n}"), run_id=f"r{n}") for n in range(4)]
    plan = runner.plan_sweep(requests, SweepOptions(mode=mode, parallelism=10))
    dispatcher = runner.runs.dispatcher(plan, gpu_type=None, resume=False)
    runner.runs.note_sweep(plan, gpu_type=None)
    fails = iter([False, True] if mode == "array" else [True])
    overtaken = BatchSubmitter.overtaken

    def once(submitter: BatchSubmitter, asked: Sequence[TaskRequest]) -> dict[str, str | None]:
        if next(fails, False):
            raise OSError(number, os.strerror(number))
        return overtaken(submitter, asked)

    monkeypatch.setattr(BatchSubmitter, "overtaken", once)

    first = dispatcher.dispatch(requests, open_count=0)
    assert list(first.launched) == (["r0", "r1"] if mode == "array" else [])
    assert (first.refused, first.held) == ({}, f"[Errno {number}] {os.strerror(number)}")

    left = [each for each in requests if str(each.run_id) not in first.launched]
    second = dispatcher.dispatch(left, open_count=len(first.launched))
    assert {*first.launched, *second.launched} == {"r0", "r1", "r2", "r3"}
    assert len(slurm.submissions()) == (2 if mode == "array" else 1)
