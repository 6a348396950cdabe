"""The process Slurm started on this node: outlives the supervisor and clears up after it."""

import os
import signal
import sys
from collections.abc import Callable

from tmgg.experiment_utils.cloud.slurm.ray_node import processes
from tmgg.experiment_utils.cloud.slurm.ray_node.scratch import Scratch

KILL_TIMEOUT_S = 5.0


def guard(supervise: Callable[[], int], scratch: Scratch) -> int:
    """Run `supervise` in a child; whatever becomes of it, leave nothing behind. Its exit code."""
    processes.adopt_orphans()
    # The supervisor decides what a signal means; this process is there to see the end.
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGUSR1, signal.SIGUSR2):
        signal.signal(number, signal.SIG_IGN)
    guardian = os.getpid()
    child = os.fork()
    if child == 0:
        _be_supervisor(supervise, scratch, guardian)
    code = _wait_for(child)
    sweep(scratch)
    return code if code >= 0 else 128 - code


def sweep(scratch: Scratch) -> None:
    """Kill everything below this process and remove the scratch folder."""
    left = processes.kill_descendants(timeout_s=KILL_TIMEOUT_S)
    if left:
        sys.stderr.write(f"tmgg: could not end {left}\n")
    scratch.remove()


def _be_supervisor(supervise: Callable[[], int], scratch: Scratch, guardian: int) -> None:
    code = 70
    try:
        processes.adopt_orphans()
        for number in (signal.SIGINT, signal.SIGHUP, signal.SIGUSR1, signal.SIGUSR2):
            signal.signal(number, signal.SIG_DFL)
        processes.end_with_parent(guardian, signal.SIGTERM)
        code = supervise()
    finally:
        if os.getppid() != guardian:
            sweep(scratch)
        sys.stderr.flush()
        os._exit(code)


def _wait_for(child: int) -> int:
    """The child's exit code, reaping adopted orphans meanwhile."""
    while True:
        pid, status = os.waitpid(-1, 0)
        if pid == child:
            return os.waitstatus_to_exitcode(status)
