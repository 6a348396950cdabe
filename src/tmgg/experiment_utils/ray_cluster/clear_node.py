"""`python -m ... FOLDER SCRATCH_PARENT`, in a separate Slurm step: clears up one node.

It is for a node whose guardian was killed. Slurm then kills every process of the step at once, so
no process is left there to remove the scratch folder. If Slurm tracks processes less reliably
(proctrack other than cgroup), Ray's processes may be left, too.
"""

import contextlib
import os
import signal
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from tmgg.experiment_utils.ray_cluster.job_token import TokenUnreadableError, read_job_token
from tmgg.experiment_utils.ray_cluster.scratch import remove_abandoned
from tmgg.experiment_utils.ray_cluster.scratch_name import folder_of_start
from tmgg.experiment_utils.run_folder.paths import JobFilesIn

_PATIENCE_S = 5.0


def main(arguments: Sequence[str]) -> int:
    folder, parent = Path(arguments[0]), arguments[1]
    try:
        secret = read_job_token(JobFilesIn(folder))
    except TokenUnreadableError as error:
        sys.stderr.write(f"tmgg: {os.environ.get('SLURMD_NODENAME', '?')}: {error}\n")
        return 1
    path = folder_of_start(parent, os.environ, secret=secret)
    deadline = time.monotonic() + _PATIENCE_S
    while path.exists() and time.monotonic() < deadline:
        for pid in processes_of(path):
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.kill(pid, signal.SIGKILL)
        remove_abandoned(path.parent)
        time.sleep(0.05)
    return 1 if path.exists() else 0


def render_sweep(
    python: str, *, job_id: str, node: str, folder: Path, scratch_parent: Path
) -> list[str]:
    """The command, for any node of the job, that clears up the node `node`."""
    return [
        "srun", f"--jobid={job_id}", f"--nodelist={node}", "--nodes=1", "--ntasks=1",
        "--overlap", "--mem=0", "--quiet", python, "-m", __name__, str(folder), str(scratch_parent),
    ]  # fmt: skip


def without_step(environment: Mapping[str, str]) -> dict[str, str]:
    """`environment` without Slurm's variables of a step, which a new srun would read as options."""
    kept = ("SLURM_CONF", "SLURM_RESTART_COUNT")
    return {
        name: value
        for name, value in environment.items()
        if name in kept or not name.startswith(("SLURM_", "SRUN_"))
    }


def processes_of(scratch: Path) -> list[int]:
    """The pids of the processes whose RAY_TMPDIR is this folder."""
    mark = f"RAY_TMPDIR={scratch}\0".encode()
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdecimal():
            with contextlib.suppress(OSError):
                if mark in (entry / "environ").read_bytes() + b"\0":
                    found.append(int(entry.name))
    return found


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
