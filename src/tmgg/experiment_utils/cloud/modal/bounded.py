"""Questions to Modal with a time limit, from any thread, also if it runs an event loop."""

import asyncio
from collections.abc import Coroutine
from concurrent.futures import Future
from threading import Thread
from typing import Any, TypeVar

_Answer = TypeVar("_Answer")


def within(limit_s: float, question: Coroutine[Any, Any, _Answer]) -> _Answer:
    """The answer. Raises TimeoutError and gives up the question if there is none in time."""
    answer: Future[_Answer] = Future()

    def ask() -> None:
        try:
            answer.set_result(asyncio.run(_limited(limit_s, question)))
        except BaseException as error:  # `answer.result` raises it in the caller's thread
            answer.set_exception(error)

    # A new thread, because in a notebook this one already runs an event loop. A daemon thread, so
    # that Ctrl-C does not wait for an answer.
    Thread(target=ask, daemon=True).start()
    return answer.result()


async def _limited(limit_s: float, question: Coroutine[Any, Any, _Answer]) -> _Answer:
    return await asyncio.wait_for(question, limit_s)
