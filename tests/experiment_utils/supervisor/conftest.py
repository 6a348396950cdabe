"""A supervisor in a process of its own, and the experiments that end in every way under it."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from tmgg.experiment_utils.files.atomic_file import write_json
from tmgg.experiment_utils.run_folder.exit_record import ExitRecord, read_exit_record
from tmgg.experiment_utils.run_folder.paths import RunPaths, SubmissionPaths
from tmgg.experiment_utils.run_folder.task import TaskInput

JOB = "job-7"
LAB = """
import ctypes, os, signal, time
from pathlib import Path
from tmgg.experiment_utils.job.artifacts import Upload

def good(config):
    return 5

def holds(config):
    Path("holding").write_text(str(os.getpid()))
    time.sleep(120)

def dies(config):
    os._exit(7)

def is_killed(config):
    os.kill(os.getpid(), signal.SIGKILL)

def sleeps_natively(config):
    # Holds the interpreter, so that neither alarm nor thread can end it.
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGALRM})
    ctypes.PyDLL(None).sleep(120)

def sends_slowly(config):
    Upload.run = lambda upload: time.sleep(3) or {}
    return 5
"""
SUPERVISOR = """
import json, sys
from pathlib import Path
from tmgg.experiment_utils.run_folder.paths import submission_paths
from tmgg.experiment_utils.supervisor import run_supervisor
from tmgg.experiment_utils.supervisor.claim_run import Start
from tmgg.experiment_utils.supervisor.run_end import Limits
from tmgg.experiment_utils.supervisor.supervise import supervise
folder, job, restart, limits = sys.argv[1:]
prepare = lambda: {}
CHANGED
start = Start(submission_paths(Path(folder)), job, int(restart))
sys.exit(supervise(start, prepare, limits=Limits(**json.loads(limits))))
"""


@dataclass(frozen=True)
class Trial:
    """One submission in a folder."""

    folder: Path
    run_id: str = "run"
    processes: list[subprocess.Popen[bytes]] = field(default_factory=list)

    @property
    def paths(self) -> SubmissionPaths:
        return RunPaths(self.folder / "out", self.run_id).submission(1)

    @property
    def record(self) -> ExitRecord:
        record = read_exit_record(self.paths)
        assert record is not None
        return record

    @property
    def printed(self) -> str:
        return (self.folder / "printed").read_text()

    def write(self, function: str, **task: Any) -> None:
        self.paths.folder.mkdir(parents=True)
        asked = TaskInput(
            run_id=self.run_id,
            target=f"lab:{function}",
            config={},
            **{"timeout_seconds": None, **task},
        )
        write_json(self.paths.run_paths.task, asked.to_json())

    def begin(
        self, *, restart: int = 0, changed: str = "", **limits: float
    ) -> subprocess.Popen[bytes]:
        """A supervisor under way; `changed` is Python that it runs first."""
        code = SUPERVISOR.replace("CHANGED", changed)
        arguments = [str(self.paths.folder), JOB, str(restart), json.dumps(limits)]
        with (self.folder / "printed").open("ab") as log:
            process = subprocess.Popen(
                [sys.executable, "-c", code, *arguments],
                cwd=self.folder,
                stdout=log,
                stderr=log,
                env=os.environ | {"PYTHONPATH": str(self.folder)},
            )
        self.processes.append(process)
        return process

    def run(self, function: str, **options: Any) -> int:
        """Write the run and see it to its end; the supervisor's exit code."""
        self.write(function)
        return self.begin(**options).wait(120)

    def hold(self, **options: Any) -> subprocess.Popen[bytes]:
        """A supervisor whose run holds."""
        holding = self.folder / "holding"
        holding.unlink(missing_ok=True)
        supervisor = self.begin(**options)
        deadline = time.monotonic() + 60
        while not (holding.exists() and holding.read_text()):
            assert time.monotonic() < deadline, self.printed
            time.sleep(0.02)
        return supervisor


MakeTrial = Callable[[str], Trial]


@pytest.fixture
def make_trial(tmp_path: Path) -> Iterator[MakeTrial]:
    """By the run's id."""
    (tmp_path / "lab.py").write_text(LAB)
    made: list[Trial] = []

    def make(run_id: str) -> Trial:
        made.append(Trial(tmp_path, run_id))
        return made[-1]

    yield make
    for process in [process for trial in made for process in trial.processes]:
        process.kill()
        process.wait()


@pytest.fixture
def trial(make_trial: MakeTrial) -> Trial:
    return make_trial("run")
