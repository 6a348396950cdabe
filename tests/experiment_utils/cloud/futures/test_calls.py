"""Calls as local runs: values, exceptions, futures of the standard kind."""

import asyncio
import concurrent.futures
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.experiment_utils.cloud.labs import importable
from tmgg.errors import RunFailedError, TaskError, UnknownRunError
from tmgg.experiment_utils.cloud import LocalRunner

LIMIT_S = 60
LAB = """
import os, pathlib, time

class TwoWords(Exception):
    def __init__(self, one, other):
        super().__init__(one)

def square(x, power=2):
    return x ** power

def many(x):
    return {"loss": x / 4, "model": [x], "deep": {"n": x}}

class AttrDict(dict):
    __getattr__ = dict.__getitem__

def attributes():
    return AttrDict(loss=0.25)

def unopenable():
    class Unopenable:
        def __reduce__(self):
            return int, ("no number",)
    return Unopenable()

class Speechless(BaseException):
    def __str__(self):
        raise KeyboardInterrupt

class Stopping:
    # Raises where it is opened, and not in its job.
    def __init__(self, raised):
        self.raised = raised
    def __reduce__(self):
        return stop_elsewhere, (os.getpid(), self.raised)

class StoppingError(Stopping, Exception):
    pass

def stop_elsewhere(pid, raised):
    if os.getpid() != pid:
        raise raised("stop it")
    return StoppingError(raised)

def give_stopping(raised):
    return Stopping(raised)

def raise_stopping(raised):
    raise StoppingError(raised)

def bad(kind):
    if kind == "caused":
        raise KeyError("late") from ValueError("early")
    if kind == "exit":
        os._exit(9)
    if kind == "two words":
        raise TwoWords("a", "b")
    raise KeyError("purple")

def at_second_try():
    if not pathlib.Path("tried").exists():
        pathlib.Path("tried").touch()
        raise ValueError("the first time")
    return 7
"""
ENDS = """
import time
from tmgg.experiment_utils.cloud import LocalRunner

def main():
    future = LocalRunner().submit(time.sleep, 5)
    print(future.run_id)

main()
"""


@pytest.fixture
def lab(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    yield from importable(folder, LAB, monkeypatch)


def test_values_come_back_themselves_and_their_numbers_are_metrics(lab: Any) -> None:
    runner = LocalRunner()
    one, many = runner.submit(lab.square, 3, power=3), runner.submit(lab.many, 2)

    assert one.result(LIMIT_S) == 27
    assert many.result(LIMIT_S) == {"loss": 0.5, "model": [2], "deep": {"n": 2}}
    assert runner.collect(one.run_id).metrics == {"value": 27}
    assert runner.collect(many.run_id).metrics == {"loss": 0.5, "deep.n": 2}
    # Another process, or another day.
    assert LocalRunner().future(many.run_id).result(LIMIT_S)["model"] == [2]
    with pytest.raises(UnknownRunError):
        runner.future("nobody")


def test_an_object_with_an_odd_attribute_lookup_comes_back_and_so_do_its_numbers(lab: Any) -> None:
    runner = LocalRunner()
    future = runner.submit(lab.attributes)
    assert future.result(LIMIT_S) == {"loss": 0.25}
    assert runner.collect(future.run_id).metrics == {"loss": 0.25}


def test_exceptions_arrive_as_themselves_or_as_the_runs_failure(lab: Any) -> None:
    futures = LocalRunner().map(lab.bad, ["key", "two words", "exit", "caused"])
    itself, closed, killed, caused = (future.exception(LIMIT_S) for future in futures)

    assert isinstance(itself, KeyError)
    assert itself.args == ("purple",)
    assert repr(caused) == "KeyError('late')"
    assert caused is not None
    assert repr(caused.__cause__) == "ValueError('early')"
    assert "in bad" in itself.__notes__[0]
    assert isinstance(closed, RunFailedError)
    assert closed.failure is not None
    assert closed.failure.kind == "user_error"
    assert "lab.TwoWords: a" in str(closed)
    assert isinstance(killed, RunFailedError)
    assert killed.failure is not None


def test_futures_are_of_the_standard_kind_and_can_be_awaited(lab: Any) -> None:
    runner = LocalRunner()
    called: list[Any] = []

    async def gather() -> list[int]:
        futures = runner.map(lab.square, range(3))
        futures[0].add_done_callback(called.append)
        assert {future.result() for future in concurrent.futures.as_completed(futures)} == {0, 1, 4}
        return [await future for future in futures]

    assert asyncio.run(gather()) == [0, 1, 4]
    assert [future.result() for future in called] == [0]
    # By content: the same calls are not run again.
    again = runner.map(lab.square, range(3), resume=True)
    assert [future.result(LIMIT_S) for future in again] == [0, 1, 4]
    assert {future.run_id for future in again} >= {called[0].run_id}


def test_a_failed_call_is_retried_like_any_run(lab: Any) -> None:
    runner = LocalRunner()
    future = runner.submit(lab.at_second_try)
    assert isinstance(future.exception(LIMIT_S), ValueError)

    argv = [sys.executable, "-m", "tmgg.cli.jobs", "retry", future.run_id]
    subprocess.run(argv, check=True, timeout=LIMIT_S, capture_output=True)

    assert runner.future(future.run_id).result(LIMIT_S) == 7


def test_calls_of_several_functions_go_together(lab: Any) -> None:
    with LocalRunner().batch() as batch:
        batch.add(lab.square, 5)
        batch.add(lambda: "text")
    assert [future.result(LIMIT_S) for future in batch.futures] == [25, "text"]
    assert len({future.run_id.rpartition("-")[0] for future in batch.futures}) == 1


def test_a_value_that_cannot_travel_is_a_failure_with_words(lab: Any) -> None:
    import threading

    error = LocalRunner().submit(threading.Lock).exception(LIMIT_S)
    assert isinstance(error, TaskError | RunFailedError)
    assert "cannot be sent back" in str(error)


def test_an_open_future_does_not_keep_the_interpreter(folder: Path) -> None:
    (folder / "ends.py").write_text(ENDS)
    ended = subprocess.run(
        [sys.executable, "ends.py"], cwd=folder, capture_output=True, text=True, timeout=LIMIT_S
    )
    assert ended.returncode == 0, ended.stderr
    assert ended.stderr == ""
    run_id = ended.stdout.strip()
    assert LocalRunner().get_status(run_id) in ("pending", "running")
    assert LocalRunner().cancel(run_id)


def test_a_value_that_cannot_be_opened_here_is_reported_as_such(lab: Any) -> None:
    future = LocalRunner().submit(lab.unopenable)
    error = future.exception(LIMIT_S)
    assert isinstance(error, RunFailedError)
    assert f"run {future.run_id} completed, but its return value cannot be opened" in str(error)


def test_what_ends_or_interrupts_whoever_opens_it_costs_only_itself(lab: Any) -> None:
    kinds = [SystemExit, KeyboardInterrupt, GeneratorExit, lab.Speechless]
    runner = LocalRunner()
    with runner.batch() as batch:
        for kind in kinds:
            batch.add(lab.give_stopping, kind)
        for kind in kinds:
            batch.add(lab.raise_stopping, kind)
        batch.add(lab.square, 3)
    *futures, fine = batch.futures
    errors = [future.exception(LIMIT_S) for future in futures]

    assert fine.result(LIMIT_S) == 9
    for kind, returned, raised in zip(
        kinds, errors[: len(kinds)], errors[len(kinds) :], strict=True
    ):
        why = f"{kind.__name__}: {'(its text' if kind is lab.Speechless else 'stop it'}"
        assert isinstance(returned, RunFailedError)
        assert "its return value cannot be opened in this process" in str(returned)
        assert why in str(returned)
        assert isinstance(raised, RunFailedError)
        assert raised.failure is not None
        assert f"(the exception itself cannot be opened here: {why}" in raised.__notes__[-1]
