"""The process that Slurm starts on this node: it outlives the supervisor and clears up after it."""

import contextlib
import os
import signal
import sys
import time
import traceback
from collections.abc import Callable
from types import FrameType

from tmgg.experiment_utils.job.job_exit_codes import SUPERVISOR_FAILED, shell_code
from tmgg.experiment_utils.ray_cluster import shared_memory
from tmgg.experiment_utils.ray_cluster.scratch import Scratch
from tmgg.experiment_utils.supervisor import processes

ORPHANED = signal.SIGHUP
"""The signal that the kernel sends to the supervisor when its guardian dies."""
_SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGUSR1, signal.SIGUSR2)
_KILL_TIMEOUT_S = 5.0


def guard(supervise: Callable[[], int], scratch: Scratch) -> int:
    """Run `supervise` in a child, clear up after its end in any case, and return its exit code."""
    began = time.time()
    processes.adopt_orphans()
    guardian = os.getpid()
    signal.pthread_sigmask(signal.SIG_BLOCK, _SIGNALS)  # until both know what to do with them
    child = os.fork()
    if child == 0:
        _be_supervisor(supervise, scratch, guardian, began)
    _pass_signals_on(child)
    code = processes.wait_for(child)
    sweep(scratch, began=began)
    if code < 0:
        node = os.environ.get("SLURMD_NODENAME", "?")
        sys.stderr.write(f"tmgg: {node}: the supervisor was killed by signal {-code}\n")
    return shell_code(code)


def sweep(scratch: Scratch, *, began: float) -> None:
    """End all descendants of this process, and remove their files from this node."""
    segments = shared_memory.segments_of(processes.descendants())
    left = processes.kill_descendants(timeout_s=_KILL_TIMEOUT_S)
    if left:
        sys.stderr.write(f"tmgg: could not end {left}\n")
    shared_memory.remove_segments(segments, since=began)
    scratch.remove()


def _pass_signals_on(child: int) -> None:
    # Slurm signals only the process that it started (proctrack/cgroup). The supervisor decides what
    # a signal means.
    def forward(number: int, _frame: FrameType | None) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.kill(child, number)

    for number in _SIGNALS:
        signal.signal(number, forward)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, _SIGNALS)


def _be_supervisor(
    supervise: Callable[[], int], scratch: Scratch, guardian: int, began: float
) -> None:
    code = SUPERVISOR_FAILED
    try:
        processes.adopt_orphans()
        signal.pthread_sigmask(signal.SIG_UNBLOCK, _SIGNALS)
        processes.end_with_parent(guardian, ORPHANED)
        code = supervise()
    except Exception:
        traceback.print_exc()
    finally:
        if os.getppid() != guardian:
            sweep(scratch, began=began)
        sys.stderr.flush()
        os._exit(code)
