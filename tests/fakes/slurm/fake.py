"""The handle tests hold: installs the fake commands, breaks them, and tells what was called."""

import json
import os
import shlex
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.fakes.slurm import jobs, queries, state
from tmgg.experiment_utils.cloud.slurm import parsing

COMMANDS = (
    "sbatch",
    "squeue",
    "sacct",
    "scancel",
    "scontrol",
    "sinfo",
    "sacctmgr",
    "sshare",
    "srun",
)
_LAUNCHER = (
    "import sys; sys.path.insert(0, sys.argv[1]); "
    "from tests.fakes.slurm.commands import main; "
    "sys.exit(main(sys.argv[2], sys.argv[3], sys.argv[4:]))"
)
LONGEST_WAIT_S = 60.0


@dataclass(frozen=True)
class Call:
    """One call of a command."""

    argv: list[str]
    cwd: str
    env: dict[str, str]
    """Variables that Slurm commands would heed."""


class FakeSlurm:
    """A Slurm of one user whose commands lie in `bin_folder`."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.bin_folder = folder / "bin"
        self._started: list[subprocess.Popen[bytes]] = []

    def install(self) -> None:
        """Write the commands; whoever calls them puts `bin_folder` on PATH."""
        self.bin_folder.mkdir(parents=True)
        for name in COMMANDS:
            argv = [
                sys.executable,
                "-S",
                "-E",
                "-c",
                _LAUNCHER,
                jobs.PROJECT,
                name,
                str(self.folder),
            ]
            command = self.bin_folder / name
            command.write_text(f'#!/bin/sh\nexec {shlex.join(argv)} "$@"\n')
            command.chmod(0o755)

    def configure(self, **settings: Any) -> None:
        """Change `partitions`, `accounts`, `controller`, `accounting`, `run_jobs`, `address`."""
        with state.locked(str(self.folder)) as now:
            now.update(settings)

    def add_rule(self, option: str, words: str, *, allowed: tuple[str, ...] | None = None) -> None:
        """A rule of the site's job_submit.lua about an option of sbatch.

        `allowed` are its values; with () any, but it must be there; with None it may not be there.
        """
        rule = {"option": option, "words": words, "allowed": allowed}
        with state.locked(str(self.folder)) as now:
            now["rules"].append(rule)

    def add_cluster(self, name: str) -> "FakeSlurm":
        """Another cluster behind the same commands (`--clusters=NAME`)."""
        (self.folder / name).mkdir()
        other = FakeSlurm(self.folder / name)
        other.configure(cluster=name)
        return other

    def empty_queue(self) -> str:
        """The whole answer of squeue when there are no jobs."""
        names = parsing.QUEUE_FIELDS
        return "".join(f"{queries.HEADERS.get(name, name.upper())}|" for name in names) + "\n"

    def break_command(
        self,
        command: str,
        *,
        times: int | None = 1,
        perform: bool = False,
        delay_s: float = 0,
        kill: bool = False,
        stdout: str | None = None,
        stderr: str = "",
        exit_code: int | None = None,
        before: str = "",
        after: str = "",
    ) -> None:
        """Let the next `times` calls (None: all) go wrong; `sbatch --test-only` is one by itself.

        `perform` does what was asked all the same; only the answer suffers. `before` and `after`
        are put around a right answer; any of `stdout`, `stderr`, `exit_code` replaces it.
        """
        fault = {
            "command": command,
            "times": times,
            "perform": perform,
            "delay_s": delay_s,
            "kill": kill,
            "stdout": stdout,
            "stderr": stderr,
            "exit_code": exit_code,
            "before": before,
            "after": after,
        }
        with state.locked(str(self.folder)) as now:
            now["faults"].append(fault)

    def repair(self) -> None:
        """Take all faults back."""
        self.configure(faults=[], controller="up", accounting="on")

    def calls(self, command: str | None = None) -> list[Call]:
        """All calls so far, or those of one command."""
        try:
            lines = (self.folder / "calls.jsonl").read_text().splitlines()
        except FileNotFoundError:
            return []
        calls = [Call(**json.loads(line)) for line in lines]
        return [call for call in calls if command in (None, call.argv[0])]

    def submissions(self) -> list[Call]:
        """Calls of sbatch that were to submit a job, whatever came of them."""
        return [call for call in self.calls("sbatch") if "--test-only" not in call.argv]

    @property
    def jobs(self) -> dict[str, dict[str, Any]]:
        """All jobs ever accepted, by id."""
        return dict(state.read(str(self.folder))["jobs"])

    @property
    def only_job(self) -> dict[str, Any]:
        """The one job there is; fails the test when there are more or none."""
        (job,) = self.jobs.values()
        return job

    def change_job(self, job_id: str, **values: Any) -> None:
        """Set what Slurm says of a job: `state`, `reason`, `exit_status`, `in_queue`, ..."""
        with state.locked(str(self.folder)) as now:
            now["jobs"][job_id].update(values)

    def add_job(self, **values: Any) -> str:
        """A job that somebody else submitted."""
        with state.locked(str(self.folder)) as now:
            job_id = str(now["next_id"])
            now["next_id"] += 1
            job = jobs.new_job(job_id, "/other/job.sh", {}, submit_line="sbatch /other/job.sh")
            now["jobs"][job_id] = job | values
        return job_id

    def forget(self, job_id: str) -> None:
        """The controller purges a finished job (MinJobAge)."""
        self.change_job(job_id, in_queue=False)

    def run(self, job_id: str) -> None:
        """Let a held job begin."""
        with state.locked(str(self.folder)) as now:
            assert now["jobs"][job_id]["state"] == "PENDING"
        self._started.append(jobs.start(str(self.folder), job_id))

    def requeue(self, job_id: str) -> None:
        """End a running job and put it back into the queue."""
        job = self.jobs[job_id]
        self.change_job(job_id, state="PENDING", restarts=job["restarts"] + 1, pid=0)
        jobs.end(job)
        _wait_until_gone(job["pid"])

    def signal_job(self, job_id: str, number: int) -> None:
        """Signal all processes of a running job."""
        jobs.end(self.jobs[job_id], number)

    def wait_for(self, job_id: str, *states: str) -> dict[str, Any]:
        """Wait until the job is in one of the states; the job."""
        deadline = time.monotonic() + LONGEST_WAIT_S
        while time.monotonic() < deadline:
            job = self.jobs[job_id]
            if job["state"] in states:
                return job
            time.sleep(0.01)
        raise AssertionError(f"job {job_id} is {job['state']}, not {states}")

    def end_all(self) -> None:
        """Kill what still runs."""
        for job in self.jobs.values():
            if job["pid"]:
                jobs.end(job, 9)
        for process in self._started:
            process.wait(LONGEST_WAIT_S)


def _wait_until_gone(leader: int) -> None:
    deadline = time.monotonic() + LONGEST_WAIT_S
    while leader and time.monotonic() < deadline:
        try:
            os.killpg(leader, 0)
        except ProcessLookupError:
            return
        time.sleep(0.01)
