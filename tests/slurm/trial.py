"""A user's runs on the cluster as tests see them: ask, wait for events, look into files."""

import contextlib
import json
import os
import secrets
import shutil
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from slurm_cluster import MachineProcess
from slurm_cluster.processes import wait_until
from tests.slurm.login import PROJECT, PYTHON, Login
from tmgg.experiment_utils.run_folder.paths import RunPaths, SubmissionPaths

HERE = Path(__file__).parent
AGENT = PROJECT / "tests" / "slurm" / "agent.py"
# The least a job can ask for, and no Ray: what is tested is the way to the job and back.
SMALL: dict[str, Any] = {
    "nodes": 1,
    "cpus_per_task": 1,
    "gpus_per_task": 0,
    "mem_per_cpu": "500MB",
    "time_limit": "00:10:00",
    "exclusive": False,
    "ray_bootstrap": "none",
}
# A machine that others use may be so many times slower than the bounds of docs/faults.md have it.
PATIENCE = float(os.environ.get("TMGG_TEST_PATIENCE", "4"))
# Whoever misses an end waits for the grace, 60 s by default, or for ever: that must show.
LESS_THAN_GRACE_S = 45


@dataclass(frozen=True)
class Reply:
    """What one call of a runner came to."""

    answer: Any
    error: str | None
    """Name of the error's class."""
    message: str
    seconds: float
    """Duration of the call itself."""
    calls: dict[str, int]
    """Slurm commands it started."""

    @classmethod
    def parse(cls, stdout: str, stderr: str) -> "Reply":
        lines = stdout.splitlines()
        assert lines, f"the call died:\n{stderr}"
        return cls(**json.loads(lines[-1]))


@dataclass
class Trial:
    """Runs of one user in one new folder; `settings` are SlurmConfig fields of all of them."""

    login: Login
    settings: dict[str, Any] = field(default_factory=lambda: dict(SMALL))
    client: dict[str, Any] = field(default_factory=dict)
    """Arguments of the SlurmClient."""
    path: str | None = None
    """Folder put first on PATH for the runner's process."""

    def __post_init__(self) -> None:
        self.login.write("trials.py", (HERE / "experiments.py").read_text())

    def call(
        self,
        verb: str,
        run_id: str | None = None,
        *,
        timeout_s: float = 120,
        env: dict[str, str] | None = None,
        **more: Any,
    ) -> Reply:
        """One call of a runner in a new process."""
        argv = self.request(verb, run_id, **more)
        done = self.login.run(*argv, timeout_s=timeout_s, check=False, env=self._environment(env))
        return Reply.parse(done.stdout, done.stderr)

    def start(
        self, verb: str, run_id: str | None = None, env: dict[str, str] | None = None, **more: Any
    ) -> MachineProcess:
        """The same without waiting; `finish` has the reply."""
        return self.login.start(*self.request(verb, run_id, **more), env=self._environment(env))

    def finish(self, process: MachineProcess, *, timeout_s: float = 120) -> Reply:
        """The reply of a call that `start` began."""
        with process:
            try:
                stdout, stderr = process.communicate(timeout=timeout_s)
            finally:
                process.kill_group()
        return Reply.parse(stdout, stderr)

    def spawn(
        self,
        experiment: str = "quick",
        *,
        slurm: dict[str, Any] | None = None,
        options: dict[str, Any] | None = None,
        **values: Any,
    ) -> str:
        """Submit one of `experiments.py` with the config `values`; its run id."""
        asked = config(experiment, **values)
        reply = self.call("spawn", new_id(), config=asked, slurm=slurm or {}, options=options or {})
        assert reply.error is None, reply.message
        return str(reply.answer["run_id"])

    def held(self, experiment: str = "hold", **more: Any) -> str:
        """Submit an experiment that holds, and wait until it does; its run id."""
        run_id = self.spawn(experiment, **more)
        self.wait_for_starts(run_id, 1)
        return run_id

    def result(self, run_id: str, *, timeout_s: float = 120) -> dict[str, Any]:
        """The result, from a process that knows nothing but the run id."""
        reply = self.call("result", run_id, timeout_s=timeout_s)
        assert reply.error is None, reply.message
        return dict(reply.answer)

    def state(self, run_id: str) -> dict[str, Any]:
        reply = self.call("state", run_id)
        assert reply.error is None, reply.message
        return dict(reply.answer)

    def wait_for_state(
        self, run_id: str, *, timeout_s: float = 60, **wanted: Any
    ) -> dict[str, Any]:
        """The state once its fields are as wanted; fails when that takes too long."""
        options = {"wanted": wanted, "timeout_s": timeout_s}
        reply = self.call("wait", run_id, options=options, timeout_s=timeout_s + 60)
        assert reply.error is None, reply.message
        for name, value in wanted.items():
            assert reply.answer[name] == value, reply.answer
        return dict(reply.answer)

    def starts(self, run_id: str) -> list[str]:
        """One line per start of the run's experiment: run, attempt, job, node."""
        try:
            lines = self.login.read("starts.log").splitlines()
        except FileNotFoundError:
            return []
        return [line for line in lines if line.split()[0] == run_id]

    def wait_for_starts(self, run_id: str, count: int, *, timeout_s: float = 60) -> None:
        self.wait_until(lambda: len(self.starts(run_id)) >= count, f"{count} starts", timeout_s)

    def go(self) -> None:
        """Let the experiments that hold return."""
        self.login.write("go", "")

    def files(self, run_id: str, number: int = 1) -> SubmissionPaths:
        """The files of a submission, as the host sees them."""
        return RunPaths(self.login.host_folder / "slurm_outputs", run_id).submission(number)

    def job_id(self, run_id: str) -> str:
        """The job on record."""
        return str(json.loads(self.files(run_id).job.read_text())["job_id"])

    def jobs(self) -> list[str]:
        """Jobs of this trial that the controller knows, finished ones included."""
        return list(self.login.job_states())

    def slurm_state(self, job_id: str) -> str:
        """What the controller says of a job; empty when it does not know it."""
        shown = self.login.run(
            "squeue", "--noheader", "--states=all", "--format=%T", f"--jobs={job_id}", check=False
        )
        return shown.stdout.strip()

    def wait_for_slurm(self, job_id: str, *states: str, timeout_s: float = 60) -> None:
        self.wait_until(
            lambda: self.slurm_state(job_id) in states, f"job {job_id} to be {states}", timeout_s
        )

    def wrap_sbatch(self, body: str) -> None:
        """Put a script first on PATH as sbatch; `$real` in it is the real one."""
        folder = self.login.host_folder / "bin"
        head = f"#!/bin/bash\nreal={shutil.which('sbatch')}\n"
        self.login.write("bin/sbatch", head + body, mode=0o755)
        self.path = str(self.login.folder / folder.name)

    def unwrap_sbatch(self) -> None:
        self.path = None

    @staticmethod
    def wait_until(condition: Callable[[], bool], what: str, timeout_s: float = 60) -> None:
        wait_until(condition, timeout_s=timeout_s, what=what, interval_s=0.1)

    def request(self, verb: str, run_id: str | None, **more: Any) -> list[str]:
        """The command line of one call."""
        settings = self.settings | more.pop("slurm", {})
        request = {"options": {}, "client": self.client, "slurm": settings, **more}
        return [str(PYTHON), str(AGENT), json.dumps(request | {"verb": verb, "run_id": run_id})]

    def _environment(self, more: dict[str, str] | None) -> dict[str, str]:
        first = {"PATH": f"{self.path}:{self.login.environment['PATH']}"} if self.path else {}
        return first | (more or {})


def config(experiment: str, **values: Any) -> dict[str, Any]:
    """The config of one of `experiments.py`."""
    return {"experiment": {"_target_": f"trials:{experiment}"}, **values}


def kill_batch_script(trial: Trial, run_id: str) -> None:
    """SIGKILL to the shell that runs the job script, on its node."""
    # The number that Slurm gave it: an element of an array has one of its own.
    job_id, node = trial.starts(run_id)[-1].split()[2:4]
    machine = trial.login.cluster.machine(node)
    machine.run_as_root(["pkill", "--signal", "KILL", "--full", f"job0*{job_id}/slurm_script"])


def wait_for_end(trial: Trial, run_id: str, *, timeout_s: float = 120) -> None:
    """Wait until the run's end is on record, by whoever asks about it."""
    verdict = trial.files(run_id).verdict
    ended = trial.files(run_id).ended
    trial.wait_until(
        lambda: verdict.exists() or ended.exists() or trial.state(run_id)["final"],
        f"the end of {run_id}",
        timeout_s,
    )


def new_id() -> str:
    return f"run-{secrets.token_hex(4)}"


@contextlib.contextmanager
def within(bound_s: float) -> Iterator[None]:
    """The body should take at most `bound_s`, and may take longer on a busy machine.

    What it took is in the test's output.
    """
    allowed_s = max(bound_s, min(PATIENCE * bound_s, LESS_THAN_GRACE_S))
    began = time.monotonic()
    yield
    took = time.monotonic() - began
    print(f"took {took:.1f} s of at most {bound_s:g} s")
    assert took <= allowed_s, f"took {took:.1f} s, at most {allowed_s:g} s were allowed"
