"""Questions to Modal with a time limit, from any thread, with or without an event loop in it."""

import asyncio
from collections.abc import Coroutine
from concurrent.futures import Future
from threading import Thread
from typing import Any, TypeVar

_Answer = TypeVar("_Answer")


def within(limit_s: float, question: Coroutine[Any, Any, _Answer]) -> _Answer:
    """The answer; raises TimeoutError when there is none in time, and the question is given up."""
    answer: Future[_Answer] = Future()

    def ask() -> None:
        try:
            answer.set_result(asyncio.run(_limited(limit_s, question)))
        except BaseException as error:  # raised where it was asked
            answer.set_exception(error)

    # A thread of its own: in a notebook this one already runs an event loop. A daemon, so that
    # Ctrl-C does not wait for an answer.
    Thread(target=ask, daemon=True).start()
    return answer.result()


async def _limited(limit_s: float, question: Coroutine[Any, Any, _Answer]) -> _Answer:
    return await asyncio.wait_for(question, limit_s)
