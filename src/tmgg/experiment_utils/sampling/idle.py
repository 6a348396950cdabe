"""Whether a run leaves its GPUs idle: option `idle_gpu_minutes` of the backends. Pure.

A GPU that does not report its use (a part of a GPU) never counts as idle.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from tmgg.experiment_utils.sampling.gpus import GpuState

OPTION = "idle_gpu_minutes"
BUSY_FROM_PERCENT = 1.0
"""A GPU with less use is idle; a GPU on which nothing runs reports 0."""

Finding = Literal["fine", "warn", "stop"]


@dataclass(slots=True)
class IdleWatch:
    """Gets the states of the GPUs, again and again, and returns what to do."""

    limit_s: float
    _idle_since_s: float | None = None
    _has_warned: bool = False

    def add(self, states: Sequence[GpuState], now_s: float) -> Finding:
        """`stop` if all GPUs have been idle for `limit_s`, `warn` once at half of this time."""
        if not states or any(_is_busy(state) for state in states):
            self._idle_since_s, self._has_warned = None, False
            return "fine"
        if self._idle_since_s is None:
            self._idle_since_s = now_s
        idle_s = now_s - self._idle_since_s
        if idle_s >= self.limit_s:
            return "stop"
        if idle_s >= self.limit_s / 2 and not self._has_warned:
            self._has_warned = True
            return "warn"
        return "fine"


def _is_busy(state: GpuState) -> bool:
    return state.busy_percent is None or state.busy_percent >= BUSY_FROM_PERCENT
