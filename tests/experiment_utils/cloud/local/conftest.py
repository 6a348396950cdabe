"""LocalRunner in a folder of its own, and the experiments that it runs there."""

import os
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tmgg.experiment_utils.cloud import LocalRunner
from tmgg.experiment_utils.cloud.runs import ExperimentResult
from tmgg.experiment_utils.run_folder.paths import RunPaths, SubmissionPaths

LAB = """
import os, signal, subprocess, sys, time
from pathlib import Path
from tmgg.experiment_utils.job.context import current_run

def good(config):
    print("said", config.get("word", "nothing"))
    return {"nan": float("nan"), "inf": float("inf"), "größe": 1, "checkpoint_path": "/ünï/c"}

def bad(config):
    raise ValueError("the loss is purple: ünï")

def slow(config):
    subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
    Path(f"{current_run().run_id}.begun").write_text(str(os.getpid()))
    time.sleep(600)

def gated(config):
    Path(f"{current_run().run_id}.begun").write_text(str(os.getpid()))
    while not Path("gate").exists():
        time.sleep(0.02)
    return 5

def deaf(config):
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    return slow(config)

def crash(config):
    os.kill(os.getpid(), config.signal)

def litter(config):
    started = subprocess.Popen(["sleep", "600"])
    Path("litter").write_text(str(started.pid))
    return 1

def daemon(config):
    # Twice forked, in a session of its own: nobody's child.
    code = "import subprocess as s; "
    code += "print(s.Popen(['sleep', '600'], start_new_session=True, stdout=s.DEVNULL).pid)"
    said = subprocess.run([sys.executable, "-c", code], stdout=subprocess.PIPE, check=True).stdout
    Path("daemon").write_text(said.decode())
    return 1

def once(config):
    if not Path("tried").exists():
        Path("tried").touch()
        raise RuntimeError("the first time")
    return 7

def environment(config):
    assert "TMGG_RAY_ADDRESS" not in os.environ
    return len(os.environ["TMGG_JOB_ID"])
"""


@pytest.fixture
def runner(folder: Path) -> Iterator[LocalRunner]:
    (folder / "lab.py").write_text(LAB)
    yield LocalRunner()
    (folder / "gate").touch()
    for begun in folder.glob("*.begun"):
        if leader := begun.read_text():
            kill_group(int(leader))


def kill_group(leader: int) -> None:
    try:
        os.killpg(leader, signal.SIGKILL)
    except ProcessLookupError:
        return


def config(function: str, **values: Any) -> dict[str, Any]:
    return {"experiment": {"_target_": f"lab:{function}"}, **values}


def paths_of(runner: LocalRunner, run_id: str = "run", number: int = 1) -> SubmissionPaths:
    return RunPaths(runner.output_dir, run_id).submission(number)


def until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def begin(runner: LocalRunner, function: str, run_id: str = "run") -> int:
    """Spawn and wait until the experiment is under way; its process."""
    runner.spawn_experiment(config(function), run_id=run_id)
    begun = runner.base_dir / f"{run_id}.begun"
    until(lambda: begun.exists() and bool(begun.read_text()))
    return int(begun.read_text())


def kind(result: ExperimentResult) -> str:
    assert result.failure is not None
    return result.failure.kind
