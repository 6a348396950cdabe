"""An ordinary user at the login node: files in her home, commands and Python in her name."""

import json
import os
import re
import secrets
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from slurm_cluster import Cluster, MachineProcess
from slurm_cluster.addresses import CONTROLLER
from slurm_cluster.processes import wait_until
from slurm_cluster.users import find_user

PROJECT = Path(__file__).parents[2]
PYTHON = Path(sys.prefix) / "bin" / "python"
# Each test's records stay out of other tests' sight.
_HOME_VARIABLE = "TMGG_HOME"


@dataclass(frozen=True)
class Login:
    """Runs commands as `user` in `folder` (the cluster's path) on the login node."""

    cluster: Cluster
    user: str
    folder: PurePosixPath
    """As the cluster sees it."""

    @classmethod
    def new(cls, cluster: Cluster, *, user: str, name: str) -> "Login":
        """A login in a new folder whose name tells the test."""
        short = re.sub(r"[^A-Za-z0-9]+", "-", name)[:40].strip("-")
        login = cls(
            cluster, user, PurePosixPath(find_user(user).home) / f"{short}-{secrets.token_hex(3)}"
        )
        login.host_folder.mkdir()
        login._own(login.host_folder)
        return login

    @property
    def host_folder(self) -> Path:
        """The same folder as the machine that runs the tests sees it."""
        return self.cluster.home(self.user) / self.folder.name

    def write(self, name: str, text: str, *, mode: int = 0o644) -> Path:
        """A file in the folder, owned by the user; the host's path of it."""
        path = self.host_folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        path.chmod(mode)
        for made in (path, *path.relative_to(self.host_folder).parents):
            self._own(self.host_folder / made)
        return path

    def read(self, name: str) -> str:
        """The text of a file in the folder."""
        return (self.host_folder / name).read_text()

    def run(
        self,
        *argv: str,
        timeout_s: float = 120,
        check: bool = True,
        env: Mapping[str, str] | None = None,
    ) -> subprocess.CompletedProcess[str]:
        """Run a command with the project's environment on PATH."""
        return self.cluster.run(
            argv,
            user=self.user,
            cwd=str(self.folder),
            env=self.environment | dict(env or {}),
            timeout_s=timeout_s,
            check=check,
        )

    def start(self, *argv: str, env: Mapping[str, str] | None = None) -> MachineProcess:
        """Start a command without waiting; its output can be read from the process."""
        return self.cluster.popen(
            argv,
            user=self.user,
            cwd=str(self.folder),
            env=self.environment | dict(env or {}),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )

    def python(
        self, code: str, *, timeout_s: float = 120, env: Mapping[str, str] | None = None
    ) -> Any:
        """Run Python code that prints one JSON value as its last line; that value."""
        done = self.run(str(PYTHON), "-c", code, timeout_s=timeout_s, env=env)
        return json.loads(done.stdout.splitlines()[-1])

    def job_states(self) -> dict[str, str]:
        """Slurm's state of each job sent from this folder, finished ones included, by job id."""
        shown = self.run(
            "squeue", "--noheader", "--states=all", "--format=%i|%T|%Z", f"--user={self.user}"
        )
        # Jobs of earlier tests may still be leaving: the folder tells whose each is.
        jobs = [line.split("|") for line in shown.stdout.splitlines()]
        return {job: state for job, state, folder in jobs if folder == str(self.folder)}

    def cancel_all(self) -> None:
        """End this user's jobs; returns when none of them is on a node any more."""
        began = time.monotonic()
        while not self._has_no_job() and time.monotonic() < began + 5:
            time.sleep(0.2)
        self._free_nodes()
        wait_until(
            self._has_no_job,
            timeout_s=120,
            what=f"the end of {self.user}'s jobs",
            interval_s=0.2,
        )

    def _free_nodes(self) -> None:
        """Of a job that has ended. A controller that was away hears of it a minute later."""
        query = ["squeue", "--noheader", "--states=COMPLETING", "--format=%N"]
        for nodes in self.run(*query, f"--user={self.user}").stdout.split():
            for state in (["state=down", "reason=test"], ["state=resume"]):
                update = ["scontrol", "update", f"nodename={nodes}", *state]
                self.cluster.run(update, user="root", machine=CONTROLLER, check=True)

    def _has_no_job(self) -> bool:
        if not self.run("squeue", "--noheader", f"--user={self.user}").stdout:
            return True
        # Again each time: what a killed submitter left may still bring another.
        self.run("scancel", f"--user={self.user}", check=False)
        return False

    @property
    def environment(self) -> dict[str, str]:
        """What a login with the project's virtual environment activated has."""
        return {
            "PATH": f"{PYTHON.parent}:{os.defpath}:/usr/sbin",
            "PYTHONPATH": f"{PROJECT / 'src'}",
            "PYTHONDONTWRITEBYTECODE": "1",
            _HOME_VARIABLE: str(self.folder / ".tmgg"),
        }

    def _own(self, path: Path) -> None:
        person = find_user(self.user)
        os.chown(path, person.uid, person.uid)
