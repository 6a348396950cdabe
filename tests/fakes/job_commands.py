"""Stand-ins for what a job script calls, each of which only notes how it was called.

With them a whole job script runs under bash in a tenth of a second, and a test can say exactly
which commands ran and with which arguments.
"""

import os
import re
import secrets
import shlex
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO

# One stand-in under many names. Arguments are noted between NULs, calls end with an empty one.
_STAND_IN = """#!/bin/sh
calls={calls}
{{ printf '%s\\0' "${{0##*/}}" "$@"; printf '\\n\\0'; }} >> "$calls"
case " $* " in
    *" show hostnames "*) printf '%s\\n' node1 node2 ;;
    *" show job "*) echo {job} ;;
    *" requeue "*) {requeue} ;;
    *head_address*) echo 10.0.0.1 ;;
    *preflight*) exit {preflight} ;;
    *folder_keeper*)
        for node in $(seq "$SLURM_JOB_NUM_NODES"); do echo tmgg-folder /tmp/tmgg-77-secret; done
        trap 'kill $!; exit' USR1  # of a real srun: at a TERM it kills its step
        sleep 60 &
        wait ;;
esac
for last; do :; done
case " $* " in
    *execute_task*) {experiment} ;;
esac
"""
# What execute_task leaves; "$last" is the submission's folder.
SUCCESS = 'echo "entrypoint_start 1 node1" >> "$last/phases"; echo 0 > "$last/entrypoint_exit_code"'
Logs = tuple[int | IO[str], int | IO[str]]
PIPES: Logs = (subprocess.PIPE, subprocess.PIPE)
NAMES = ("srun", "scontrol", "python", "python3", "module")


@dataclass(frozen=True)
class JobCommands:
    """A folder of stand-ins."""

    folder: Path

    @classmethod
    def install(
        cls,
        folder: Path,
        *,
        names: tuple[str, ...] = NAMES,
        preflight: int = 0,
        experiment: str = SUCCESS,
        job: str = "JobState=RUNNING PreemptTime=None",
        requeue: str = "exit 1",
    ) -> "JobCommands":
        """Write the stand-ins.

        `experiment` is the shell that runs where the experiment would, `requeue` where Slurm would
        put the job back into the queue; `job` is what Slurm says of the job.
        """
        folder.mkdir(parents=True, exist_ok=True)
        commands = cls(folder)
        text = _STAND_IN.format(
            calls=shlex.quote(str(commands._log)),
            preflight=preflight,
            experiment=experiment,
            job=job,
            requeue=requeue,
        )
        for name in names:
            (folder / name).write_text(text)
            (folder / name).chmod(0o755)
        return commands

    @property
    def _log(self) -> Path:
        return self.folder / "calls"

    def calls(self) -> list[list[str]]:
        """All calls in order: name without folder, arguments."""
        if not self._log.exists():
            return []
        *records, _end = self._log.read_bytes().split(b"\n\0")
        return [[word.decode() for word in record.split(b"\0")[:-1]] for record in records]

    def environment(self, **variables: str) -> dict[str, str]:
        """What Slurm gives a job of two nodes, and nothing of the test's own."""
        return {
            "PATH": f"{self.folder}:{os.defpath}",
            "HOSTNAME": "node1",
            "SLURM_JOB_ID": "77",
            "SLURM_JOB_NODELIST": "node[1-2]",
            "SLURM_JOB_NUM_NODES": "2",
            "SLURM_CPUS_PER_TASK": "3",
            **variables,
        }

    def start(self, script: str, cwd: Path, **variables: str) -> subprocess.Popen[str]:
        """Run a job script in the background, from a copy as slurmd does."""
        return self._start(script, cwd, PIPES, variables)

    def start_into(self, logs: Logs, script: str, cwd: Path) -> subprocess.Popen[str]:
        """As `start`, with these two for what it prints."""
        return self._start(script, cwd, logs, {})

    def _start(
        self, script: str, cwd: Path, logs: Logs, variables: Mapping[str, str]
    ) -> subprocess.Popen[str]:
        copy = self.folder / f"slurm_script.{secrets.token_hex(4)}"
        copy.write_text(script)
        # As slurmd: what `nohup` lets the tests ignore, a shell could not trap any more.
        as_slurmd = ["env", "--default-signal=HUP,INT,QUIT"]
        return subprocess.Popen(
            [*as_slurmd, "bash", str(copy)],
            cwd=cwd,
            env=self.environment(**variables),
            stdin=subprocess.DEVNULL,
            stdout=logs[0],
            stderr=logs[1],
            text=True,
            start_new_session=True,
        )

    def run(self, script: str, cwd: Path, **variables: str) -> subprocess.CompletedProcess[str]:
        """Run a job script to its end; its output is without the marks."""
        with self.start(script, cwd, **variables) as process:
            out, error = map(without_mark, process.communicate(timeout=150))
        return subprocess.CompletedProcess(process.args, process.returncode, out, error)


def without_mark(text: str) -> str:
    """What a job printed, without the line by which each start marks its part of the logs."""
    return re.sub(r"^tmgg: submission \d+, restart .*\n", "", text, count=1)
