"""Jobs of the fake that really run: the script under bash, in a session of its own.

All nodes are this machine, and only the first task of an `srun` runs.
"""

from __future__ import annotations

import os
import signal
import sys
import time

from tests.fakes.slurm import state

TYPE_CHECKING = False  # importing typing would take a third of a command's time
if TYPE_CHECKING:
    import subprocess
    from typing import Any

    Job = dict[str, Any]

PROJECT = os.path.abspath(f"{__file__}/../../../..")  # noqa: PTH100 - start-up


def new_job(job_id: str, script: str, options: dict[str, str], *, submit_line: str) -> Job:
    """A pending job."""
    return {
        "id": job_id,
        "uid": os.getuid(),
        "name": options.get("job-name", os.path.basename(script)),  # noqa: PTH119 - start-up
        "comment": options.get("comment", ""),
        "state": "PENDING",
        "reason": "Priority",
        "restarts": 0,
        "exit_status": 0,
        "submit_time": time.strftime("%Y-%m-%dT%H:%M:%S"),
        "start_time": "",
        "nodes": "",
        "script": script,
        "cwd": os.getcwd(),  # noqa: PTH109 - start-up
        "options": options,
        "submit_line": submit_line,
        "in_queue": True,
        "in_accounts": True,
        "steps": [],
        "taken_out": [],
        "pid": 0,
        "environment": dict(os.environ),
    }


def start(folder: str, job_id: str) -> subprocess.Popen[bytes]:
    """Let a process of its own run the job (see `run`)."""
    import subprocess  # only here and below: importing it takes time

    code = "import sys; sys.path.insert(0, sys.argv[1]); from tests.fakes.slurm import jobs; "
    code += "jobs.run(sys.argv[2], sys.argv[3])"
    return subprocess.Popen(
        [sys.executable, "-S", "-E", "-c", code, PROJECT, folder, job_id],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )


def run(folder: str, job_id: str) -> None:
    """Run the job's script to its end, and note how it went."""
    with state.locked(folder) as now:
        job = now["jobs"][job_id]
        if job["state"] != "PENDING":
            return
        count = int(job["options"].get("nodes", "1"))
        job["nodes"] = "node1" if count == 1 else f"node[1-{count}]"
        job.update(state="RUNNING", reason="None", start_time=time.strftime("%Y-%m-%dT%H:%M:%S"))
        process = _spawn(job)
        job["pid"] = process.pid
    code = process.wait()
    with state.locked(folder) as now:
        job = now["jobs"][job_id]
        if job["state"] == "RUNNING" and job["pid"] == process.pid:
            job["state"] = "COMPLETED" if code == 0 else "FAILED"
            job["reason"] = "None" if code == 0 else "NonZeroExitCode"
            job["exit_status"] = -code if code < 0 else code << 8


def _spawn(job: Job) -> subprocess.Popen[bytes]:
    import subprocess

    options = job["options"]
    mode = "ab" if options.get("open-mode") == "append" else "wb"
    out, error = (_log(job, options[name]) for name in ("output", "error"))
    with open(out, mode) as stdout, open(error, mode) as stderr:  # noqa: PTH123 - start-up
        return subprocess.Popen(
            ["bash", job["script"]],
            stdin=subprocess.DEVNULL,
            stdout=stdout,
            stderr=stderr,
            cwd=job["cwd"],
            env=job["environment"] | _variables(job),
            start_new_session=True,
        )


def _log(job: Job, pattern: str) -> str:
    return os.path.join(job["cwd"], pattern.replace("%%", "%"))  # noqa: PTH118 - start-up


def _variables(job: Job) -> dict[str, str]:
    options = job["options"]
    variables = {
        "SLURM_JOB_ID": job["id"],
        "SLURM_JOB_NAME": job["name"],
        "SLURM_JOB_NODELIST": job["nodes"],
        "SLURM_JOB_NUM_NODES": options.get("nodes", "1"),
        "SLURM_CPUS_PER_TASK": options.get("cpus-per-task", "1"),
        "SLURMD_NODENAME": "node1",
    }
    if job["restarts"]:
        variables["SLURM_RESTART_COUNT"] = str(job["restarts"])
    return variables


def end(job: Job, number: int = signal.SIGTERM) -> None:
    """Signal all of a job's processes."""
    if job["pid"]:
        try:
            os.killpg(job["pid"], number)
        except ProcessLookupError:
            return


def srun(arguments: list[str]) -> int:
    """Run the command of the first task in this process's place."""
    command = list(arguments)
    while command and command[0].startswith("-"):
        command.pop(0)
    os.environ.update(SLURM_PROCID="0", SLURM_NODEID="0")
    try:
        os.execvp(command[0], command)
    except FileNotFoundError:
        os.write(2, f"slurmstepd-node1: error: execve(): {command[0]}: No such file\n".encode())
        return 2


def expand_numbers(ranges: str) -> list[int]:
    """`1-3,7` as a list of numbers."""
    numbers: list[int] = []
    for item in ranges.split(","):
        first, _, last = item.partition("-")
        numbers += range(int(first), int(last or first) + 1)
    return numbers


def expand_nodes(expression: str) -> list[str]:
    """`node[1-3,7],login` as a list of names."""
    import re

    names: list[str] = []
    for part in re.findall(r"[^,\[]+(?:\[[^\]]*\])?", expression):
        prefix, bracket, ranges = part.partition("[")
        if not bracket:
            names.append(prefix)
            continue
        for item in ranges.rstrip("]").split(","):
            first, _, last = item.partition("-")
            numbers = range(int(first), int(last or first) + 1)
            names += [f"{prefix}{number:0{len(first)}d}" for number in numbers]
    return names
