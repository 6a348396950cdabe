"""A future and its callbacks."""

import sys
import threading
from concurrent.futures import Future
from typing import Any

import pytest

from tmgg.experiment_utils.cloud.futures.call_future import RunFuture


@pytest.fixture
def future() -> "RunFuture[int]":
    return RunFuture(None, "run")


def leave(_future: Future[Any]) -> None:
    sys.exit("enough")


def test_a_callback_that_ends_its_thread_ends_no_thread_that_settles_futures(
    future: "RunFuture[int]", caplog: pytest.LogCaptureFixture
) -> None:
    called: list[Any] = []
    future.add_done_callback(leave)
    future.add_done_callback(called.append)

    def settle() -> None:
        future.succeed(7)
        called.append("went on")

    thread = threading.Thread(target=settle)
    thread.start()
    thread.join(60)
    assert called == [future, "went on"]
    assert "enough" in caplog.text


def test_what_the_main_thread_calls_itself_may_end_it(future: "RunFuture[int]") -> None:
    future.succeed(7)
    with pytest.raises(SystemExit):
        future.add_done_callback(leave)
