"""`python -m ... FOLDER PARENT`: makes and removes a node's folder for Ray under symmetric-run.

It runs on every node, beside Ray, in a separate Slurm step. It makes the folder and prints its
path. When it gets a signal to end, it waits for the end of the processes that use the folder, and
removes the folder.

After Ray's end the job script sends SIGUSR1, because an srun that gets SIGTERM kills its step at
once. If a job is cancelled or requeued, Slurm itself sends SIGTERM to every step. The job script
cannot clear up in this case, because no new step can begin on the other nodes.

If the keeper itself is killed, the folder's lock is free, and the next job of the same user on the
node removes the folder.
"""

import math
import os
import signal
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from tmgg.experiment_utils.job.job_exit_codes import NO_HEAD_OR_FOLDER
from tmgg.experiment_utils.ray_cluster.clear_node import processes_of
from tmgg.experiment_utils.ray_cluster.job_token import TokenUnreadableError, read_job_token
from tmgg.experiment_utils.ray_cluster.scratch import Scratch, ScratchError
from tmgg.experiment_utils.ray_cluster.scratch_name import (
    ScratchNameError,
    folder_of_start,
)
from tmgg.experiment_utils.run_folder.paths import JobFilesIn

MADE = "tmgg-folder"
"""The word before the folder's path; the job script finds the line by it."""
_ASKED_TO_END = {signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGUSR1}
_LOOK_EVERY_S = 0.1
LINGER_S = 10.0
"""How long a job that is done may wait for processes that Ray left."""


def main(arguments: Sequence[str]) -> int:
    folder, parent = Path(arguments[0]), arguments[1]
    # Blocked from the start: a signal that comes early waits for `sigwait`.
    signal.pthread_sigmask(signal.SIG_BLOCK, _ASKED_TO_END)
    try:
        secret = read_job_token(JobFilesIn(folder))
        scratch = Scratch(folder_of_start(parent, os.environ, secret=secret))
        scratch.make()
    except (ScratchError, ScratchNameError, TokenUnreadableError) as error:
        node = os.environ.get("SLURMD_NODENAME", "?")
        sys.stderr.write(f"tmgg: {node}: {error}\n")
        return NO_HEAD_OR_FOLDER
    sys.stdout.write(f"{MADE} {scratch.path}\n")
    sys.stdout.flush()
    is_done = signal.sigwait(_ASKED_TO_END) == signal.SIGUSR1
    _remove(scratch, within_s=LINGER_S if is_done else math.inf)
    return 0


def _remove(scratch: Scratch, *, within_s: float) -> None:
    """Wait for the folder's users to end: an experiment may still be saving its state."""
    deadline = time.monotonic() + within_s
    while processes_of(scratch.path) and time.monotonic() < deadline:
        time.sleep(_LOOK_EVERY_S)
    scratch.remove()


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
