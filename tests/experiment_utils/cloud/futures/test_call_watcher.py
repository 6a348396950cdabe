"""One thread watches all futures of a runner, whatever becomes of their runs."""

import concurrent.futures
import errno
import itertools
import math
import os
import pickle
import sys
import threading
from collections.abc import Sequence
from concurrent.futures import Future
from pathlib import Path
from typing import Any

import pytest

from tests.fakes.clock import FakeClock
from tests.fakes.scripted_runner import Script, ScriptedRunner
from tmgg.errors import (
    BackendError,
    ConfigError,
    RecordError,
    RunFailedError,
    SubmissionError,
    UnknownRunError,
)
from tmgg.experiment_utils.calls.outcome import CallOutcome
from tmgg.experiment_utils.cloud.futures import call_watcher
from tmgg.experiment_utils.cloud.futures.call_future import RunFuture
from tmgg.experiment_utils.cloud.futures.call_watcher import CallWatcher
from tmgg.experiment_utils.cloud.runs import RunState
from tmgg.experiment_utils.cloud.sweep.dispatch import Dispatched, SeparateDispatcher
from tmgg.experiment_utils.files.hiccups import HICCUP_GRACE_S

MANY = 1000
LIMIT_S = 60


@pytest.fixture
def runner(tmp_path: Path) -> ScriptedRunner:
    """Its time passes as fast as the watcher sleeps."""
    runner = ScriptedRunner(FakeClock(), tmp_path)
    runner._calls.watcher = CallWatcher(runner, runner.clock)
    return runner


class StandingClock(FakeClock):
    """Nothing ever ends, and nobody spins."""

    def sleep(self, duration_s: float) -> None:
        threading.Event().wait(0.01)


def watchers() -> list[threading.Thread]:
    return [each for each in threading.enumerate() if each.name == "tmgg-scripted-futures"]


def until_idle() -> None:
    for thread in watchers():
        thread.join(LIMIT_S)
    assert not watchers()


def why(future: "RunFuture[float]") -> object:
    return future.exception(LIMIT_S)


def test_a_thousand_futures_are_one_thread_and_few_questions(runner: ScriptedRunner) -> None:
    futures = runner.map(math.sqrt, range(MANY))
    most_threads = len(watchers())
    done, open_ = concurrent.futures.wait(futures, timeout=LIMIT_S)

    assert (len(done), len(open_)) == (MANY, 0)
    assert most_threads <= 1
    assert len(runner.polls) < 10
    until_idle()


def test_the_thread_ends_when_nothing_is_open_and_begins_again(runner: ScriptedRunner) -> None:
    for _ in range(3):
        concurrent.futures.wait([runner.submit(math.sqrt, 4)], timeout=LIMIT_S)
        until_idle()


def test_at_most_so_many_run_at_once(runner: ScriptedRunner) -> None:
    futures = runner.map(math.sqrt, range(20), parallelism=3)
    assert not concurrent.futures.wait(futures, timeout=LIMIT_S).not_done
    assert runner.most_at_once <= 3


def test_calls_wait_for_room_in_the_queue(runner: ScriptedRunner) -> None:
    runner.most_in_queue = 2
    futures = runner.map(math.sqrt, range(10))
    assert not concurrent.futures.wait(futures, timeout=LIMIT_S).not_done
    assert len(runner.spawned) == 10


def test_what_is_refused_is_that_calls_error_only(runner: ScriptedRunner) -> None:
    names = iter(range(3))
    spawn = runner.spawn

    def refusing(request, **options):  # type: ignore[no-untyped-def]
        error = SubmissionError("no such partition") if next(names) == 1 else None
        runner.scripts[request.run_id] = Script(spawn_error=error)
        return spawn(request, **options)

    runner.spawn = refusing  # type: ignore[method-assign]
    first, second, third = runner.map(math.sqrt, range(3))

    assert isinstance(why(second), SubmissionError)
    # These ended well, as far as the script goes; nobody wrote a value.
    for future in (first, third):
        error = why(future)
        assert isinstance(error, RunFailedError)
        assert error.result is not None
        assert error.result.status == "completed"


def test_when_room_never_comes_the_calls_are_refused(runner: ScriptedRunner) -> None:
    runner.most_in_queue = 0
    futures = runner.map(math.sqrt, range(3))
    assert all(isinstance(why(future), SubmissionError) for future in futures)
    assert runner.ended_sweeps == 1


def test_a_damaged_record_ends_its_own_future_only(runner: ScriptedRunner) -> None:
    futures = runner.map(math.sqrt, range(3), parallelism=3)
    runner.vanished.add(futures[1].run_id)
    errors = [why(future) for future in futures]
    assert isinstance(errors[1], RecordError | UnknownRunError)
    assert isinstance(errors[0], RunFailedError)


def test_nobody_waits_for_ever_when_the_watcher_fails(
    runner: ScriptedRunner, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(_run_ids: object) -> list[object]:
        raise ZeroDivisionError("a fault of the program")

    monkeypatch.setattr(runner, "poll", broken)
    futures = runner.map(math.sqrt, range(3), parallelism=1)
    assert [type(why(future)) for future in futures] == [ZeroDivisionError] * 3


def test_a_cancelled_future_cancels_its_run_and_wakes_those_who_wait(
    runner: ScriptedRunner,
) -> None:
    runner._calls.watcher = CallWatcher(runner, StandingClock())
    first, second = runner.map(math.sqrt, range(2), parallelism=2)

    assert first.cancel()

    assert runner.cancelled == [first.run_id]
    assert concurrent.futures.wait([first], timeout=LIMIT_S).done == {first}
    assert first.cancelled()
    assert not second.done()
    assert second.cancel()
    assert not any(future.running() for future in (first, second))
    until_idle()


def test_what_waits_is_under_lease_as_long_as_it_waits_though_nobody_asks(
    runner: ScriptedRunner,
) -> None:
    runner._call_watcher = CallWatcher(runner, StandingClock())  # type: ignore[attr-defined]
    first, second = runner.map(math.sqrt, range(2), parallelism=1)
    assert len(runner.leases) == 1

    assert second.cancel()
    first.cancel()

    until_idle()
    assert runner.leases == []


def test_no_lease_is_left_when_submitting_fails(runner: ScriptedRunner) -> None:
    def broken(_request: object, **_options: object) -> None:
        raise ZeroDivisionError("a fault of the program")

    runner.spawn = broken  # type: ignore[method-assign,assignment]
    with pytest.raises(ZeroDivisionError):
        runner.map(math.sqrt, range(2))
    assert runner.leases == []


def stale() -> OSError:
    return OSError(errno.ESTALE, os.strerror(errno.ESTALE))


class OneScript(dict[str, Script]):
    """The same for every run."""

    def __init__(self, script: Script) -> None:
        super().__init__()
        self.script = script

    def setdefault(self, run_id: str, _default: object = None) -> Script:
        return super().setdefault(run_id, self.script)


def test_a_result_that_cannot_be_read_for_a_while_is_read_again(runner: ScriptedRunner) -> None:
    script = Script(collect_error=stale())
    runner.scripts = OneScript(script)

    def back() -> None:
        script.collect_error = None

    runner.clock.after(200, back)
    error = why(runner.submit(math.sqrt, 4))
    assert isinstance(error, RunFailedError)  # it ended well; nobody wrote a value
    assert error.result is not None
    assert error.result.status == "completed"


def test_a_result_that_cannot_be_read_for_the_grace_is_the_futures_error(
    runner: ScriptedRunner,
) -> None:
    script = Script(collect_error=stale())
    runner.scripts = OneScript(script)
    began_s = runner.clock.now_s
    assert why(runner.submit(math.sqrt, 4)) is script.collect_error
    assert runner.clock.now_s - began_s >= HICCUP_GRACE_S


def test_a_value_that_cannot_be_read_for_a_moment_is_read_again(
    runner: ScriptedRunner, monkeypatch: pytest.MonkeyPatch
) -> None:
    failures = iter([stale()])

    def outcome_of(_result: object) -> CallOutcome:
        for failure in failures:
            raise failure
        return CallOutcome("returned", pickle.dumps(42))

    monkeypatch.setattr(call_watcher, "outcome_of", outcome_of)
    assert runner.submit(math.sqrt, 4).result(LIMIT_S) == 42


def test_an_error_of_the_call_that_looks_like_a_file_systems_is_the_calls(
    runner: ScriptedRunner, monkeypatch: pytest.MonkeyPatch
) -> None:
    raised = CallOutcome("raised", pickle.dumps(stale()))
    monkeypatch.setattr(call_watcher, "outcome_of", lambda _result: raised)
    runner.scripts = OneScript(Script(failures=["user_error"]))
    began_s = runner.clock.now_s
    assert isinstance(why(runner.submit(math.sqrt, 4)), OSError)
    assert runner.clock.now_s - began_s < HICCUP_GRACE_S


def test_calls_that_wait_for_their_turn_go_on_waiting_when_a_look_fails(
    runner: ScriptedRunner, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = itertools.count()
    dispatch = SeparateDispatcher.dispatch

    def failing(self: SeparateDispatcher, *given: Any, **options: Any) -> Dispatched:
        if next(asked) in (1, 2):
            raise stale()
        return dispatch(self, *given, **options)

    monkeypatch.setattr(SeparateDispatcher, "dispatch", failing)
    errors = [why(each) for each in runner.map(math.sqrt, range(6), parallelism=2)]
    assert len(runner.spawned) == 6
    assert {type(error) for error in errors} == {RunFailedError}


def test_a_callback_that_ends_its_thread_ends_neither_the_watcher_nor_other_callbacks(
    runner: ScriptedRunner, monkeypatch: pytest.MonkeyPatch
) -> None:
    poll, added = runner.poll, threading.Event()

    def poll_later(run_ids: Sequence[str]) -> list[RunState]:
        added.wait(LIMIT_S)
        return poll(run_ids)

    monkeypatch.setattr(runner, "poll", poll_later)
    futures = runner.map(math.sqrt, range(3), parallelism=1)
    called: list[Future[Any]] = []
    for future in futures:
        future.add_done_callback(lambda _future: sys.exit("enough"))
        future.add_done_callback(called.append)
    added.set()
    assert [type(why(future)) for future in futures] == [RunFailedError] * 3
    until_idle()
    assert called == futures


def test_a_value_that_cannot_be_loaded_is_its_own_futures_error(
    runner: ScriptedRunner, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = itertools.count()

    def outcome_of(_result: object) -> CallOutcome:
        if next(asked) == 0:
            raise MemoryError
        return CallOutcome("returned", pickle.dumps(42))

    monkeypatch.setattr(call_watcher, "outcome_of", outcome_of)
    huge, small = runner.map(math.sqrt, range(2), parallelism=1)
    assert isinstance(why(huge), MemoryError)
    assert small.result(LIMIT_S) == 42


def test_what_ends_the_watchers_thread_ends_no_thread_that_asks(
    runner: ScriptedRunner, monkeypatch: pytest.MonkeyPatch
) -> None:
    def leave(_run_ids: object) -> list[object]:
        raise SystemExit("enough")

    monkeypatch.setattr(runner, "poll", leave)
    futures = runner.map(math.sqrt, range(3), parallelism=1)
    for future in futures:
        error = why(future)
        assert isinstance(error, BackendError)
        assert "SystemExit: enough" in str(error)
    until_idle()
    assert runner.leases == []


@pytest.mark.parametrize("error", [ConfigError("no such thing"), ZeroDivisionError()])
def test_when_submitting_fails_later_what_is_under_way_is_watched(
    runner: ScriptedRunner, error: Exception
) -> None:
    spawn = runner.spawn

    def failing(request, **options):  # type: ignore[no-untyped-def]
        if len(runner.spawned) == 2:
            raise error
        return spawn(request, **options)

    runner.spawn = failing  # type: ignore[method-assign]
    first, second, third, fourth = runner.map(math.sqrt, range(4))
    for future in (first, second):
        assert isinstance(why(future), RunFailedError)  # it ended well; nobody wrote a value
    assert why(third) is why(fourth) is error
    until_idle()
    assert runner.leases == []


def test_after_a_refusal_an_error_of_the_next_attempt_loses_nothing(
    runner: ScriptedRunner, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = itertools.count()
    dispatch = SeparateDispatcher.dispatch

    def failing(self: SeparateDispatcher, *given: Any, **options: Any) -> Dispatched:
        if next(asked):
            raise ConfigError("no such thing")
        done = dispatch(self, *given, **options)
        last = list(done.launched)[-1]
        del done.launched[last]
        done.refused[last] = "the queue is closed"
        return done

    monkeypatch.setattr(SeparateDispatcher, "dispatch", failing)
    errors = [why(each) for each in runner.map(math.sqrt, range(4), parallelism=3)]
    assert [type(error) for error in errors] == [
        *[RunFailedError, RunFailedError, SubmissionError, ConfigError]
    ]
