"""A real Slurm cluster for benchmarks, with an ordinary user at its login node."""

import compileall
import contextlib
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from slurm_cluster import Cluster, ClusterOptions

PROJECT = Path(__file__).parents[1]
BIN = Path(sys.prefix) / "bin"
JOB_LIMIT_S = 300


@dataclass(frozen=True)
class Lab:
    """Commands and files of one user, in one new folder of the shared file system."""

    cluster: Cluster
    folder: Path
    """As the host sees it."""
    user: str = "alice"

    def write(self, name: str, text: str) -> None:
        """A file of the user in the folder."""
        path = self.folder / name
        path.write_text(text)
        os.chown(path, self.folder.stat().st_uid, self.folder.stat().st_gid)

    def read(self, name: str) -> str:
        """The text of a file in the folder."""
        return (self.folder / name).read_text()

    def run(self, *argv: str, timeout_s: float = JOB_LIMIT_S, **env: str) -> str:
        """What a command prints; raises ClusterError when it fails."""
        return self.start(*argv, timeout_s=timeout_s, **env).stdout

    def start(
        self, *argv: str, timeout_s: float = JOB_LIMIT_S, **env: str
    ) -> subprocess.CompletedProcess[str]:
        """As `run`, with everything that came of it."""
        base = {"PATH": f"{BIN}:/usr/bin:/bin", "PYTHONPATH": str(PROJECT / "src")}
        inside = self.cluster.inside(self.folder)
        return self.cluster.run(
            argv, user=self.user, cwd=inside, env=base | env, timeout_s=timeout_s, check=True
        )

    def python(self, code: str, *, timeout_s: float = JOB_LIMIT_S, **env: str) -> Any:
        """The JSON value that the code prints as its last line."""
        printed = self.run("python", "-c", code, timeout_s=timeout_s, **env)
        return json.loads(printed.splitlines()[-1])

    def wait_for_job(self, job_id: str) -> None:
        """Return when the job has left the queue."""
        deadline = time.monotonic() + JOB_LIMIT_S
        while self.run("squeue", "--noheader", f"--jobs={job_id}").strip():
            if time.monotonic() > deadline:
                raise TimeoutError(f"job {job_id} did not end within {JOB_LIMIT_S} s")
            time.sleep(0.2)


@contextlib.contextmanager
def lab(name: str, **options: Any) -> Iterator[Lab]:
    """A cluster of its own (root on Debian), ended afterwards unless it was up before."""
    cluster = Cluster(ClusterOptions(name=name, **options))
    was_up = cluster.status().is_up
    # As pip does for an installed package; the cluster's users cannot write here.
    compileall.compile_dir(PROJECT / "src", quiet=1)
    cluster.up(expose=[PROJECT, Path(sys.prefix), Path(sys.base_prefix)])
    try:
        yield Lab(cluster, cluster.make_folder(user="alice", prefix="bench"))
    finally:
        if not was_up:
            cluster.down(purge=True)
