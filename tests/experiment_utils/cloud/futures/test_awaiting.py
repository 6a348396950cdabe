"""Futures in asyncio: a wait that ends early leaves the run alone."""

import asyncio
import threading
from pathlib import Path

import pytest

from tests.fakes.clock import FakeClock
from tests.fakes.scripted_runner import ScriptedRunner
from tmgg.experiment_utils.cloud.futures.call_future import RunFuture

LIMIT_S = 60


@pytest.fixture
def runner(tmp_path: Path) -> ScriptedRunner:
    return ScriptedRunner(FakeClock(), tmp_path)


@pytest.fixture
def future(runner: ScriptedRunner) -> "RunFuture[int]":
    return RunFuture(runner, runner.begin("run"))


def test_a_wait_that_is_over_leaves_the_run_alone_and_can_begin_again(
    runner: ScriptedRunner, future: "RunFuture[int]"
) -> None:
    async def wait_twice() -> int:
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(future, 0)
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(future, 0.001)
        threading.Thread(target=future.succeed, args=[7]).start()
        return await asyncio.wait_for(future, LIMIT_S)

    assert asyncio.run(wait_twice()) == 7
    assert runner.cancelled == []


def test_a_task_that_is_cancelled_while_it_waits_leaves_the_run_alone(
    runner: ScriptedRunner, future: "RunFuture[int]"
) -> None:
    async def wait() -> int:
        return await future

    async def fail_beside() -> None:
        async with asyncio.TaskGroup() as group:
            group.create_task(wait())
            await asyncio.sleep(0)
            raise ZeroDivisionError

    with pytest.raises(ExceptionGroup):
        asyncio.run(fail_beside())
    assert not future.done()
    assert runner.cancelled == []


def test_all_who_wait_have_the_value_or_the_error(runner: ScriptedRunner) -> None:
    good: RunFuture[int] = RunFuture(runner, runner.begin("good"))
    bad: RunFuture[int] = RunFuture(runner, runner.begin("bad"))

    async def gather() -> tuple[int | BaseException, ...]:
        waits = asyncio.gather(good, good, bad, return_exceptions=True)
        await asyncio.sleep(0)  # they have begun
        threading.Thread(target=bad.fail, args=[ZeroDivisionError()]).start()
        threading.Thread(target=good.succeed, args=[7]).start()
        return await asyncio.wait_for(waits, LIMIT_S)

    first, second, error = asyncio.run(gather())
    assert (first, second, type(error)) == (7, 7, ZeroDivisionError)
    assert asyncio.run(asyncio.wait_for(good, LIMIT_S)) == 7  # in another loop, and done already


def test_a_future_that_was_cancelled_raises_what_asyncio_calls_so(
    runner: ScriptedRunner, future: "RunFuture[int]"
) -> None:
    async def cancel_and_wait() -> None:
        threading.Thread(target=future.cancel).start()
        with pytest.raises(asyncio.CancelledError):
            await future

    asyncio.run(asyncio.wait_for(cancel_and_wait(), LIMIT_S))
    assert runner.cancelled == ["run"]


def test_waits_that_are_over_are_forgotten(future: "RunFuture[int]") -> None:
    async def wait_often() -> None:
        for _ in range(100):
            wait = asyncio.ensure_future(future)
            await asyncio.sleep(0)  # it has begun
            wait.cancel()
            with pytest.raises(asyncio.CancelledError):
                await wait

    asyncio.run(wait_often())
    assert not future.done()
    assert len(vars(future)["_done_callbacks"]) <= 1
    future.succeed(7)  # the loop of these waits is closed
