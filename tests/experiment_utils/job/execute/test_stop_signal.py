"""An experiment that knows nothing of TMGG is told by a signal."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from tmgg.errors import ConfigError
from tmgg.experiment_utils.cloud.local.config import LocalConfig
from tmgg.experiment_utils.cloud.ray.config import RayConfig
from tmgg.experiment_utils.cloud.slurm.config import SlurmConfig
from tmgg.experiment_utils.job.job_exit_codes import STOPPED
from tmgg.experiment_utils.job.stop_signal import seconds_to_next_look
from tmgg.experiment_utils.run_folder.paths import RunPaths, SubmissionPaths
from tmgg.experiment_utils.run_folder.registry import RunRecord
from tmgg.experiment_utils.run_folder.task import TaskInput

LIMIT_S = 60
LAB = """
import os, signal, sys, threading

def train(config):
    number = getattr(signal, "SIG" + config.handles)
    def save(number, frame):
        open("saved", "a").write("x")
        if config.end == "return":
            done.set()
        elif config.end != "raise":
            sys.exit(config.end)
        else:
            raise ValueError("of its own")
    done = threading.Event()
    signal.signal(number, save)
    open("ready", "w").close()
    done.wait(5 if config.handles != config.sent else 50)
    return {"x": 1}

def train_until_interrupted(config):
    open("ready", "w").close()
    threading.Event().wait(50)
"""


def begin(folder: Path, sent: str, **config: Any) -> SubmissionPaths:
    paths = RunPaths(folder / "runs", "run").submission(1)
    paths.folder.mkdir(parents=True)
    (folder / "lab.py").write_text(LAB)
    function = "train" if config else "train_until_interrupted"
    task = TaskInput(
        run_id="run",
        target=f"lab:{function}",
        config={"sent": sent.removeprefix("SIG"), **config},
        timeout_seconds=None,
    )
    record = RunRecord(
        run_id="run",
        backend="local",
        created_at=1.0,
        base_dir=str(folder),
        host="here",
        settings={"stop_signal": sent},
    )
    paths.run_paths.run.write_text(json.dumps(record.to_json()))
    paths.run_paths.task.write_text(json.dumps(task.to_json()))
    return paths


def stopped(folder: Path, paths: SubmissionPaths, *, by: str = "file") -> tuple[int, Any, str]:
    """Run it, ask it to stop once it is ready; its exit code, its result, what it said."""
    call = "raise SystemExit(execute_task())"
    code = f"from tmgg.experiment_utils.job.execute import execute_task; {call}"
    argv = [sys.executable, "-c", code, str(paths.folder)]
    environment = {**os.environ, "PYTHONPATH": str(folder)}
    with subprocess.Popen(
        argv, cwd=folder, env=environment, stderr=subprocess.PIPE, text=True
    ) as job:
        deadline = time.monotonic() + LIMIT_S
        while not (folder / "ready").exists():
            assert job.poll() is None
            assert time.monotonic() < deadline
            time.sleep(0.02)
        if by == "file":
            paths.stop.write_text("time_limit\n")
        else:
            job.send_signal(signal.SIGTERM)
        _out, said = job.communicate(timeout=LIMIT_S)
    return job.returncode, json.loads(paths.result.read_text()), said


@pytest.mark.parametrize(
    ("sent", "end", "by", "status"),
    [
        ("USR1", None, "file", "stopped"),
        ("SIGTERM", 143, "file", "stopped"),
        ("USR2", 0, "term", "stopped"),
        ("USR1", 3, "file", "failed"),
        ("USR1", "raise", "file", "failed"),
        ("USR1", "return", "file", "completed"),
    ],
)
def test_an_experiment_that_handles_it_is_told_once_and_its_end_says_what_it_did(
    tmp_path: Path, sent: str, end: object, by: str, status: str
) -> None:
    paths = begin(tmp_path, sent, handles=sent.removeprefix("SIG"), end=end)
    code, result, _said = stopped(tmp_path, paths, by=by)

    assert (tmp_path / "saved").read_text() == "x"
    assert result["status"] == status
    assert (code == STOPPED) is (status == "stopped")
    if status == "stopped":
        assert result["stop_reason"] == ("time_limit" if by == "file" else "terminated")


def test_a_keyboard_interrupt_that_was_sent_is_a_stop(tmp_path: Path) -> None:
    code, result, _said = stopped(tmp_path, begin(tmp_path, "INT"))
    assert (code, result["status"]) == (STOPPED, "stopped")


def test_a_signal_that_nobody_handles_is_not_sent(tmp_path: Path) -> None:
    paths = begin(tmp_path, "USR1", handles="USR2", end=0)
    _code, result, said = stopped(tmp_path, paths)
    assert result["status"] == "completed"
    assert "the experiment has no handler for SIGUSR1" in said


@pytest.mark.parametrize("config", [SlurmConfig, LocalConfig, RayConfig])
@pytest.mark.parametrize("name", ["KILL", "usr1", "", 10, "SEGV"])
def test_only_signals_that_can_be_handled_are_taken(config: Any, name: object) -> None:
    with pytest.raises(ConfigError, match="stop_signal must be one of USR1"):
        config(stop_signal=name)
    assert config(stop_signal="SIGUSR1").stop_signal == "SIGUSR1"


@pytest.mark.parametrize("now_s", [0.0, 10.25, 1795895098.898658, 7.999999])
def test_ranks_look_at_the_same_moment(now_s: float) -> None:
    wait_s = seconds_to_next_look(now_s)
    assert 0 < wait_s <= 1
    assert (now_s + wait_s) == pytest.approx(round(now_s + wait_s), abs=1e-5)
