"""The process Slurm started on this node: outlives the supervisor and clears up after it."""

import os
import signal
import sys
import time
import traceback
from collections.abc import Callable

from tmgg.experiment_utils.cloud.slurm.ray_node import processes, shared_memory
from tmgg.experiment_utils.cloud.slurm.ray_node.scratch import Scratch

ORPHANED = signal.SIGHUP
"""What the kernel sends the supervisor when its guardian dies."""
_SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGUSR1, signal.SIGUSR2)
_KILL_TIMEOUT_S = 5.0


def guard(supervise: Callable[[], int], scratch: Scratch) -> int:
    """Run `supervise` in a child; whatever becomes of it, leave nothing behind. Its exit code."""
    began = time.time()
    processes.adopt_orphans()
    # The supervisor decides what a signal means; this process is there to see the end.
    for number in _SIGNALS:
        signal.signal(number, signal.SIG_IGN)
    guardian = os.getpid()
    child = os.fork()
    if child == 0:
        _be_supervisor(supervise, scratch, guardian, began)
    code = processes.wait_for(child)
    sweep(scratch, began=began)
    return code if code >= 0 else 128 - code


def sweep(scratch: Scratch, *, began: float) -> None:
    """End everything below this process and remove what it left on this node."""
    segments = shared_memory.segments_of(processes.descendants())
    left = processes.kill_descendants(timeout_s=_KILL_TIMEOUT_S)
    if left:
        sys.stderr.write(f"tmgg: could not end {left}\n")
    shared_memory.remove_segments(segments, since=began)
    scratch.remove()


def _be_supervisor(
    supervise: Callable[[], int], scratch: Scratch, guardian: int, began: float
) -> None:
    code = os.EX_SOFTWARE
    try:
        processes.adopt_orphans()
        for number in _SIGNALS:
            signal.signal(number, signal.SIG_DFL)
        processes.end_with_parent(guardian, ORPHANED)
        code = supervise()
    except Exception:
        traceback.print_exc()
    finally:
        if os.getppid() != guardian:
            sweep(scratch, began=began)
        sys.stderr.flush()
        os._exit(code)
