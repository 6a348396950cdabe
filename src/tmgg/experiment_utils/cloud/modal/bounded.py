"""Questions to Modal with a time limit, from any thread, with or without an event loop in it."""

import asyncio
from collections.abc import Coroutine
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

_Answer = TypeVar("_Answer")


def within(limit_s: float, question: Coroutine[Any, Any, _Answer]) -> _Answer:
    """The answer; raises TimeoutError when there is none in time, and the question is given up."""
    # A thread of its own: in a notebook this one already runs an event loop.
    with ThreadPoolExecutor(max_workers=1) as executor:
        return executor.submit(asyncio.run, _limited(limit_s, question)).result()


async def _limited(limit_s: float, question: Coroutine[Any, Any, _Answer]) -> _Answer:
    return await asyncio.wait_for(question, limit_s)
