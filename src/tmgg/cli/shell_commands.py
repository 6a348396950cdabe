"""The exact commands with which a person looks deeper into a run. Pure."""

import shlex
from collections.abc import Sequence
from pathlib import Path

from tmgg.experiment_utils.cloud.slurm.command_lines import for_cluster

SACCT_FORMAT = "JobID,State,ExitCode,DerivedExitCode,Elapsed,MaxRSS,NodeList"


def render_commands(
    *,
    backend: str,
    job_id: str | None,
    stdout: Path,
    stderr: Path,
    run_id: str,
    final: bool,
    cluster: str | None = None,
) -> list[str]:
    """Lines to paste into a shell, queries first. `cluster`: the Slurm cluster, if one is named."""
    commands = [["tail", "-n", "50", str(stderr)]]
    commands.append(["tail", *([] if final else ["-f"]), str(stdout)])
    if job_id is not None:
        commands[:0] = _of_backend(backend, job_id, final=final)
    commands.append(["tmgg-jobs", "explain", run_id])
    if not final:
        commands.append(["tmgg-jobs", "cancel", run_id])
        if backend == "slurm" and job_id is not None:
            commands.append(["scancel", job_id])
    return [shlex.join(for_cluster(command, cluster)) for command in commands]


def _of_backend(backend: str, job_id: str, *, final: bool) -> Sequence[list[str]]:
    if backend == "slurm":
        queue = [
            ["squeue", "--states=all", f"--jobs={job_id}"],
            ["squeue", "--start", f"--jobs={job_id}"],
            ["scontrol", "show", "job", job_id],
        ]
        # Slurm's controller forgets a job some minutes after its end; the accounts do not.
        accounts = ["sacct", "--duplicates", f"--jobs={job_id}", f"--format={SACCT_FORMAT}"]
        return [accounts] if final else [*queue, accounts]
    if backend == "local" and not final:
        return [["ps", "-o", "pid,stat,etime,rss,args", "-p", job_id.partition(".")[0]]]
    return []
