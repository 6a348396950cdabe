"""Adds up samples, one after the other. Pure: the caller gives the time of each."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from tmgg.experiment_utils.sampling.gpus import GpuState
from tmgg.experiment_utils.sampling.process_tree import TreeUse
from tmgg.experiment_utils.sampling.used import GpuUse

_LEAST_S_FOR_PEAK = 0.2
"""CPU time is counted in 1/100 s, so over a shorter interval the number of cores is noise."""


@dataclass(slots=True)
class Tally:
    """Adds up what processes use. The first sample is from before the run: the zero point."""

    began_s: float | None = None
    last_s: float = 0.0
    samples: int = 0
    cpu_s: float = 0.0
    cores_peak: float = 0.0
    memory_peak_bytes: int = 0
    _last_cpu_s: float = 0.0
    _byte_seconds: float = 0.0
    _last_memory: int = 0

    @property
    def seconds(self) -> float:
        return 0.0 if self.began_s is None else self.last_s - self.began_s

    @property
    def memory_mean_bytes(self) -> int:
        """The mean over time; the intervals between samples may differ."""
        if self.seconds <= 0:
            return self._last_memory
        return int(self._byte_seconds / self.seconds)

    def add(self, use: TreeUse, now_s: float) -> None:
        if self.began_s is None:
            self.began_s = now_s
        else:
            self._add_interval(use, now_s - self.last_s)
        self.samples += 1
        self.last_s = now_s
        self._last_cpu_s = use.cpu_s
        self._last_memory = use.memory_bytes
        self.memory_peak_bytes = max(self.memory_peak_bytes, use.memory_bytes, use.peak_bytes)

    def _add_interval(self, use: TreeUse, seconds: float) -> None:
        # If no parent waits for an ended process, its CPU time is lost, and the sum may decrease.
        cpu_s = max(0.0, use.cpu_s - self._last_cpu_s)
        self.cpu_s += cpu_s
        if seconds >= _LEAST_S_FOR_PEAK:
            self.cores_peak = max(self.cores_peak, cpu_s / seconds)
        self._byte_seconds += seconds * (use.memory_bytes + self._last_memory) / 2


@dataclass(slots=True)
class GpuTally:
    """Adds up the use of one GPU."""

    first: GpuState
    samples: int = 0
    _busy: list[float] = field(default_factory=lambda: [0.0, 0.0, 0.0])
    """Number of samples, sum, peak."""
    _memory: list[int] = field(default_factory=lambda: [0, 0, 0])

    def add(self, state: GpuState) -> None:
        self.samples += 1
        if state.busy_percent is not None:
            count, total, peak = self._busy
            self._busy = [count + 1, total + state.busy_percent, max(peak, state.busy_percent)]
        if state.memory_bytes is not None:
            number, most = self._memory[0] + 1, max(self._memory[2], state.memory_bytes)
            self._memory = [number, self._memory[1] + state.memory_bytes, most]

    def use(self) -> GpuUse:
        number, total, peak = self._busy
        counted, bytes_total, most = self._memory
        return GpuUse(
            index=self.first.index,
            uuid=self.first.uuid,
            name=self.first.name,
            busy_mean_percent=total / number if number else None,
            busy_peak_percent=peak if number else None,
            memory_mean_bytes=bytes_total // counted if counted else None,
            memory_peak_bytes=most if counted else None,
            memory_total_bytes=self.first.total_bytes,
            samples=self.samples,
        )


def add_states(tallies: dict[str, GpuTally], states: Sequence[GpuState]) -> None:
    """Add one sample of all GPUs."""
    for state in states:
        tallies.setdefault(state.uuid, GpuTally(state)).add(state)
