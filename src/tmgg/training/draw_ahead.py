"""Makes the data of the next steps while the current step computes."""

import os
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Generic, TypeVar

import torch

Drawn = TypeVar("Drawn")
_AHEAD = 2


class DrawAhead(Generic[Drawn]):
    """Draws for several steps at once, and ahead of the training if there is more than one core.

    Which steps are drawn together depends on their numbers alone. Eigendecompositions and random
    numbers do not hold Python's lock, so they run in threads. There are two threads, so that no
    core is idle if drawing takes longer than the steps.
    """

    def __init__(self, at_once: int) -> None:
        self._at_once = at_once
        self._drawn: tuple[range, Sequence[Drawn]] = (range(0), ())
        self._threads: ThreadPoolExecutor | None = None
        self._waiting: dict[range, Future[Sequence[Drawn]]] = {}

    def draw(
        self, make: Callable[[range], Sequence[Drawn]], step: int, *, steps: int, ahead: bool
    ) -> Drawn:
        """What `make` returns for this step of `steps`. With `ahead`, threads make the next ones.

        `make` gets a range of steps, and is called in several threads.
        """
        if step not in self._drawn[0]:
            now, *following = self._parts(step - step % self._at_once, steps)
            begun = self._waiting.pop(now, None)
            if ahead and len(os.sched_getaffinity(0)) > 1:
                self._begin(make, following)
            self._drawn = now, make(now) if begun is None else begun.result()
        which, drawn = self._drawn
        return drawn[step - which.start]

    def _parts(self, first: int, steps: int) -> list[range]:
        """The steps that are drawn together with `first`, and the following groups of steps."""
        begins = range(first, steps, self._at_once)[: 1 + _AHEAD]
        return [range(begin, min(begin + self._at_once, steps)) for begin in begins]

    def _begin(self, make: Callable[[range], Sequence[Drawn]], following: Sequence[range]) -> None:
        waiting, threads = self._waiting, self._own_threads()
        self._waiting = {
            which: waiting[which] if which in waiting else threads.submit(make, which)
            for which in following
        }

    def close(self) -> None:
        """End the threads."""
        if self._threads is not None:
            self._threads.shutdown(cancel_futures=True)
        self._threads, self._waiting, self._drawn = None, {}, (range(0), ())

    def _own_threads(self) -> ThreadPoolExecutor:
        if self._threads is None:
            # The number of OpenMP's threads is a setting of each thread that calls OpenMP.
            self._threads = ThreadPoolExecutor(
                _AHEAD, "draw-ahead", torch.set_num_threads, (torch.get_num_threads(),)
            )
        return self._threads
