"""Each packed run is a process of its own: however it ends, the others and its record are there."""

import os
import signal
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.experiment_utils.packed.conftest import JOB, Batch
from tmgg.experiment_utils.files.atomic_file import write_json
from tmgg.experiment_utils.packed.fork_server_client import WarmParentLostError
from tmgg.experiment_utils.packed.keeper import NOT_NEEDED, OUT_OF_TIME, RECORDED
from tmgg.experiment_utils.run_folder.batch_index import fill_run_folder
from tmgg.experiment_utils.run_folder.ownership import forbid
from tmgg.experiment_utils.run_folder.phases import parse_phases


def wait_until(condition: Callable[[], bool], what: str, timeout_s: float = 60) -> None:
    deadline = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < deadline, f"waited {timeout_s:g} s for {what}"
        time.sleep(0.02)


class Running(threading.Thread):
    """A run under way; `code` and `error` are there once it has been joined."""

    def __init__(self, batch: Batch, run_id: str, **order: object) -> None:
        super().__init__(daemon=True)
        self._batch, self._run_id, self._order = batch, run_id, order
        self.code: int | None = None
        self.error: Exception | None = None
        self.start()
        holding = batch.folder / "holding"
        wait_until(lambda: holding.exists() and bool(holding.read_text()), f"{run_id} to hold")

    def run(self) -> None:
        try:
            self.code = self._batch.run(self._run_id, **self._order)
        except WarmParentLostError as error:
            self.error = error

    def ended(self, timeout_s: float = 60) -> int | None:
        self.join(timeout_s)
        assert not self.is_alive()
        return self.code


def holder(batch: Batch) -> int:
    return int((batch.folder / "holding").read_text())


def is_alive(pid: int) -> bool:
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return False
    return stat.rpartition(")")[2].split()[0] != "Z"


def test_a_run_leaves_what_a_run_of_its_own_job_leaves(batch: Batch) -> None:
    assert batch.run("ok") == RECORDED
    paths = batch.submission("ok")
    assert batch.result("ok")["metrics"]["value"] == 1
    assert batch.result("ok")["job_id"] == JOB
    assert paths.owner.read_text() == f"{JOB}\n"
    names = [mark.name for mark in parse_phases(paths.phases.read_text())]
    assert names == ["batch_start", "entrypoint_start", "entrypoint_end", "batch_end"]
    assert paths.run_paths.run.exists()
    assert paths.run_paths.artifacts.is_dir()
    record = batch.record("ok")
    assert record is not None
    assert (record.job_id, record.scope, record.exit_code) == (JOB, "run", 0)


def test_a_run_has_the_options_of_the_launching_python(batch: Batch) -> None:
    assert batch.run("options") == RECORDED
    metrics = batch.result("options")["metrics"]
    assert metrics == {"optimize": 1, "is_strict": True, "digits": 5000}


def test_what_runs_print_is_in_their_own_logs(batch: Batch) -> None:
    batch.run("ok")
    batch.run("raises")
    run = batch.submission("ok").run_paths
    assert run.stdout.read_text().startswith(f"tmgg: submission 1, restart 0, job {JOB} on ")
    assert "printed by ok\n" in run.stdout.read_text()
    assert "TMGG_RESULT:" in run.stdout.read_text()
    assert "warned by ok\n" in run.stderr.read_text()
    assert "beta must not be negative" in batch.submission("raises").run_paths.stderr.read_text()
    assert "beta" not in run.stderr.read_text()


@pytest.mark.parametrize(
    ("run_id", "code", "entrypoint"),
    [("raises", 1, 1), ("exits", 7, None), ("dies", 128 + signal.SIGSEGV, None)],
)
def test_a_run_that_ends_badly_ends_alone(
    batch: Batch, run_id: str, code: int, entrypoint: int | None
) -> None:
    assert batch.run(run_id) == RECORDED
    assert batch.run("draws") == RECORDED
    record = batch.record(run_id)
    assert record is not None
    assert (record.exit_code, record.entrypoint_exit_code) == (code, entrypoint)
    assert batch.result("draws")["status"] == "completed"


def test_the_process_that_forks_lives_through_all_of_them(batch: Batch) -> None:
    batch.run("ok")
    batch.run("dies")
    batch.submission("ok").ended.unlink()
    before = batch.result("ok")["metrics"]
    batch.run("ok")
    after = batch.result("ok")["metrics"]
    assert after["parents_parent"] == before["parents_parent"]
    assert after["pid"] != before["pid"]


def test_a_daemon_that_a_run_leaves_behind_is_ended(batch: Batch) -> None:
    assert batch.run("leaves-a-daemon") == RECORDED
    assert not is_alive(int(batch.result("leaves-a-daemon")["metrics"]["daemon"]))


def test_exit_functions_run(batch: Batch) -> None:
    batch.run("at-exit")
    assert (batch.folder / "exit_function_ran").exists()


def test_runs_do_not_share_their_luck(batch: Batch) -> None:
    """A fork copies random generators; a Python of its own would have seeded them anew."""
    batch.run("draws")
    batch.run("draws-again")
    first, second = batch.result("draws")["metrics"], batch.result("draws-again")["metrics"]
    assert first["python"] != second["python"]
    assert first["numpy"] != second["numpy"]


def test_a_run_keeps_to_its_share_and_has_no_ray(batch: Batch) -> None:
    cpu = min(os.sched_getaffinity(0))
    batch.run("environment", environment={"CUDA_VISIBLE_DEVICES": "3"}, cpus=(cpu,))
    assert batch.result("environment")["metrics"] == {"gpus": 3, "ray": 0, "cpus": 1, "attempt": 1}


def test_a_cancelled_run_ends_soon(batch: Batch) -> None:
    running = Running(batch, "holds")
    began = time.monotonic()
    write_json(batch.submission("holds").cancel, {"version": 1})
    assert running.ended() == RECORDED
    assert time.monotonic() - began < 20, "it looks twice a second"
    record = batch.record("holds")
    assert record is not None
    assert (record.exit_code, record.signal) == (143, "")
    assert not is_alive(holder(batch))


def test_a_run_that_ignores_sigterm_is_killed(batch: Batch) -> None:
    running = Running(batch, "ignores-term", kill_after_s=0.5)
    write_json(batch.submission("ignores-term").cancel, {"version": 1})
    assert running.ended() == RECORDED
    record = batch.record("ignores-term")
    assert record is not None
    assert record.exit_code == 137


def test_a_run_cancelled_before_its_turn_does_not_begin(batch: Batch) -> None:
    paths = batch.submission("ok")
    fill_run_folder(paths)
    write_json(paths.cancel, {"version": 1})
    assert batch.run("ok") == RECORDED
    record = batch.record("ok")
    assert record is not None
    assert record.stage == "cancelled"
    assert not paths.result.exists()


def test_a_run_that_was_given_up_does_not_begin(batch: Batch) -> None:
    fill_run_folder(batch.submission("ok"))
    forbid(batch.submission("ok"))
    assert batch.run("ok") == NOT_NEEDED
    assert batch.record("ok") is None


def test_a_run_that_has_ended_is_not_run_again(batch: Batch) -> None:
    batch.run("exits")
    assert batch.run("exits", restart=1) == NOT_NEEDED
    record = batch.record("exits")
    assert record is not None
    assert record.restart == 0


def test_a_run_whose_end_was_reported_is_not_run_again(batch: Batch) -> None:
    fill_run_folder(batch.submission("ok"))
    write_json(batch.submission("ok").verdict, {"version": 1})
    assert batch.run("ok") == NOT_NEEDED


def test_a_run_that_was_interrupted_runs_again_as_a_later_start(batch: Batch) -> None:
    running = Running(batch, "stops")
    batch.parent.signal_all(signal.SIGTERM)
    assert running.ended() == RECORDED
    record = batch.record("stops")
    assert record is not None
    assert record.signal == "TERM"
    (batch.folder / "holding").unlink()
    again = Running(batch, "stops")
    batch.submission("stops").stop.touch()
    assert again.ended() == RECORDED
    later = batch.record("stops")
    assert later is not None
    assert (later.signal, later.restart) == ("", 1)
    assert batch.result("stops")["restart"] == 1
    assert (batch.submission("stops").folder / "phases.before-restart-1").exists()


def test_a_run_that_slurm_tells_before_its_keeper_was_interrupted_too(batch: Batch) -> None:
    running = Running(batch, "holds")
    os.kill(holder(batch), signal.SIGTERM)
    batch.parent.signal_all(signal.SIGTERM)
    assert running.ended() == RECORDED
    record = batch.record("holds")
    assert record is not None
    assert record.signal == "TERM"


def test_a_run_that_outlasts_the_allocation_says_so(batch: Batch) -> None:
    running = Running(batch, "holds")
    batch.parent.signal_all(OUT_OF_TIME)
    assert running.ended() == RECORDED
    record = batch.record("holds")
    assert record is not None
    assert record.failure is not None
    assert record.failure.kind == "timeout"


def test_losing_the_parent_loses_its_runs_and_the_next_run_gets_another(batch: Batch) -> None:
    batch.run("ok")
    running = Running(batch, "holds")
    pid = holder(batch)
    os.kill(int(batch.result("ok")["metrics"]["parents_parent"]), signal.SIGKILL)
    running.ended()
    assert running.error is not None
    wait_until(lambda: not is_alive(pid), "the run to end with its parent")
    assert batch.run("draws") == RECORDED


def test_closing_ends_the_runs_in_order(batch: Batch) -> None:
    running = Running(batch, "holds")
    batch.parent.close()
    assert running.ended() == RECORDED
    record = batch.record("holds")
    assert record is not None
    assert record.signal == "TERM"
    assert not is_alive(holder(batch))


@pytest.mark.parametrize(
    "module", ["import os; os._exit(3)", "open('/dev/null').fileno(); raise SystemExit(2)"]
)
def test_an_import_that_ends_its_process_only_makes_the_start_cold(
    batch: Batch, module: str
) -> None:
    (batch.folder / "numpy.py").write_text(module)  # in place of what is to be preloaded
    assert batch.run("ok") == RECORDED


def test_a_run_beyond_the_reach_of_its_own_limit_is_ended(batch: Batch) -> None:
    assert batch.run("sleeps-natively", hard_limit_after_s=0.5, kill_after_s=0.5) == RECORDED
    record = batch.record("sleeps-natively")
    assert record is not None
    assert record.failure is not None
    assert record.failure.kind == "timeout"
