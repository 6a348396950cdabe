"""Samples what a run uses, and writes it to `usage.json`. Runs in a separate process.

Its cost is bounded: the pauses between samples are so long that the samples take at most 1/500 of a
core. The record is written from time to time and at the end, so there is one for a run that is
killed, too. For a run of less than a second there is none.
"""

import contextlib
import logging
import os
import socket
import time
from collections.abc import Callable
from dataclasses import asdict

from tmgg.errors import IdleGpuError, RunError
from tmgg.experiment_utils.files.atomic_file import write_json
from tmgg.experiment_utils.job.clock import Stopwatch
from tmgg.experiment_utils.job.job_environment import ROOT_VARIABLE
from tmgg.experiment_utils.run_folder.attempts import record_of
from tmgg.experiment_utils.run_folder.evidence_token import is_anothers, token_to_leave
from tmgg.experiment_utils.run_folder.paths import SubmissionPaths
from tmgg.experiment_utils.run_folder.rank_paths import RankPaths
from tmgg.experiment_utils.run_folder.starts import is_superseded, own_restart
from tmgg.experiment_utils.sampling import allotted
from tmgg.experiment_utils.sampling.gpus import GpuCommand, GpuState
from tmgg.experiment_utils.sampling.idle import OPTION, IdleWatch
from tmgg.experiment_utils.sampling.process_tree import ProcessTree
from tmgg.experiment_utils.sampling.tally import GpuTally, Tally, add_states
from tmgg.experiment_utils.sampling.used import HostUse

log = logging.getLogger(__name__)

LARGEST_SHARE = 0.002
"""The share of a core that samples of processes may take; samples of GPUs may take as much."""
EVERY_S = 2.0
GPUS_EVERY_S = 10.0
LONGEST_PAUSE_S = 60.0
LEAST_RUN_S = 1.0
_WRITE_EVERY_S = 60.0
_WRITE_FIRST_S = 2.0
_WRITE_AT_GROWTH = 1.2
_MOST_SILENCES = 3
_LOOKS_UNTIL_IDLE = 4

OnIdle = Callable[[IdleGpuError], None]
Ends = Callable[[float], bool]


class Sampler:
    """Samples until the run ends."""

    def __init__(
        self, paths: SubmissionPaths, processes: ProcessTree, watch: Stopwatch, on_idle: OnIdle
    ) -> None:
        """`on_idle` is called to end a run whose GPUs were idle for the time in its options."""
        self._paths = paths
        self._processes = processes
        self._on_idle = on_idle
        self._watch = watch
        self._tally = Tally()
        self._gpus = GpuCommand(os.environ)
        self._gpu_tallies: dict[str, GpuTally] = {}
        self._gpus_after_s = 0.0 if self._gpus.is_there else float("inf")
        self._silences = 0
        self._idle = _idle_watch(paths)
        limit_s = self._idle.limit_s if self._idle is not None else LONGEST_PAUSE_S
        self._gpus_every_s = min(GPUS_EVERY_S, limit_s / _LOOKS_UNTIL_IDLE)
        self._allotted = (
            allotted.cpus_allotted(os.environ),
            None if _shares_memory(paths) else allotted.memory_allotted_bytes(os.environ),
        )
        self._written_s = 0.0
        self._written_peak = 0
        self._tally.add(processes.first, 0.0)

    def run(self, ends_within: Ends) -> None:
        """Sample until the end. `ends_within` waits for it, at most so many seconds."""
        pause_s = 0.0
        while not ends_within(pause_s):
            pause_s = max(EVERY_S, self._look() / LARGEST_SHARE)
            pause_s = min(pause_s, LONGEST_PAUSE_S)
            self._write_in_time()
        self._look_last()

    def use(self) -> HostUse:
        """What the run has used until now."""
        cpus, memory = self._allotted
        return HostUse(
            host=socket.gethostname(),
            restart=own_restart(),
            began_at=self._watch.at,
            seconds=self._tally.seconds,
            samples=self._tally.samples,
            cpu_seconds=self._tally.cpu_s,
            cpu_cores_peak=self._tally.cores_peak,
            memory_mean_bytes=self._tally.memory_mean_bytes,
            memory_peak_bytes=self._tally.memory_peak_bytes,
            cpus_allotted=cpus,
            memory_allotted_bytes=memory,
            gpus=[asdict(tally.use()) for tally in self._gpu_tallies.values()],
            token=token_to_leave(self._paths),
        )

    def _look(self) -> float:
        """Take one sample; return the CPU time that this took, in seconds."""
        began_s = time.process_time()
        self._sample()
        if self._watch.elapsed_s() >= self._gpus_after_s:
            self._look_at_gpus()
        return time.process_time() - began_s

    def _look_last(self) -> None:
        if self._watch.elapsed_s() >= LEAST_RUN_S:
            if self._processes.are_there:
                self._sample()
            self._write()

    def _sample(self) -> None:
        self._tally.add(self._processes.measure(), self._watch.elapsed_s())

    def _look_at_gpus(self) -> None:
        look = self._gpus.ask()
        now_s = self._watch.elapsed_s()
        self._silences = self._silences + 1 if look is None else 0
        if self._silences >= _MOST_SILENCES:
            self._gpus_after_s = float("inf")
            return
        cost_s = 0.0 if look is None else look.cpu_s
        pause_s = max(self._gpus_every_s, cost_s / LARGEST_SHARE)
        self._gpus_after_s = now_s + min(LONGEST_PAUSE_S, pause_s)
        if look is not None:
            add_states(self._gpu_tallies, look.gpus)
            self._watch_idle(look.gpus, now_s)

    def _watch_idle(self, states: tuple[GpuState, ...], now_s: float) -> None:
        if self._idle is None:
            return
        finding = self._idle.add(states, now_s)
        minutes = self._idle.limit_s / 60
        if finding == "warn":
            log.warning(
                "the GPUs of this run have been idle for %.3g minutes; after %.3g it is ended (%s)",
                minutes / 2, minutes, OPTION,
            )  # fmt: skip
        elif finding == "stop":
            self._write()
            self._on_idle(
                IdleGpuError(f"its {_counted(states)} were idle for {minutes:.3g} minutes")
            )

    def _write_in_time(self) -> None:
        """Write rarely, but at once when the memory grows: the run may be killed for it soon."""
        now_s = self._watch.elapsed_s()
        has_grown = self._tally.memory_peak_bytes > _WRITE_AT_GROWTH * self._written_peak
        if now_s >= _WRITE_FIRST_S and (has_grown or now_s - self._written_s >= _WRITE_EVERY_S):
            self._write()

    def _write(self) -> None:
        self._written_s = self._watch.elapsed_s()
        self._written_peak = self._tally.memory_peak_bytes
        # An error (full disk, a file system that does not answer) is ignored: others report it.
        with contextlib.suppress(OSError):
            if not is_anothers(self._paths) and not is_superseded(self._paths, own_restart()):
                write_json(self._paths.usage, self.use().to_json())


def _counted(states: tuple[GpuState, ...]) -> str:
    return "GPU" if len(states) == 1 else f"{len(states)} GPUs"


def _shares_memory(paths: SubmissionPaths) -> bool:
    """Whether other runs may use the job's memory on this host, too; True for packed runs.

    False for ranks, whose use is added up.
    """
    return os.environ.get(ROOT_VARIABLE) is not None and not isinstance(paths, RankPaths)


def _idle_watch(paths: SubmissionPaths) -> IdleWatch | None:
    try:
        minutes = record_of(paths).settings.get(OPTION)
    except (RunError, OSError):  # then the run's GPUs are not watched
        return None
    return None if minutes is None else IdleWatch(limit_s=60.0 * float(minutes))
