"""CPUs and GPUs are kept for one local run each, whichever process asked for it."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tmgg.errors import ConfigError, SubmissionError
from tmgg.experiment_utils.cloud import LocalConfig, LocalRunner
from tmgg.experiment_utils.supervisor.gpus import visible_gpus

LAB = """
import os, time
from pathlib import Path

def hold(config):
    began = time.time()
    Path(f"begun.{os.getpid()}").touch()
    while not Path("gate").exists():
        time.sleep(0.02)
    time.sleep(config.get("hold_s", 0))
    gpu = os.environ.get("CUDA_VISIBLE_DEVICES", "")
    return {"began": began, "ended": time.time(), "gpus": len(gpu.split(",")) if gpu else 0,
            "gpu": float(gpu) if gpu.isdigit() else -1,
            "threads": int(os.environ.get("OMP_NUM_THREADS", 0))}
"""
HOLD: dict[str, Any] = {"experiment": {"_target_": "lab:hold"}}


@pytest.fixture
def lab(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Two GPUs, on paper; experiments hold until `gate` appears."""
    (folder / "lab.py").write_text(LAB)
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "5,7")
    for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS"):
        monkeypatch.delenv(name, raising=False)
    yield folder
    (folder / "gate").touch()


def until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def begun(lab: Path) -> int:
    return len(list(lab.glob("begun.*")))


def test_each_run_sees_its_own_gpu_and_the_third_waits(lab: Path) -> None:
    runner = LocalRunner(LocalConfig(gpus_per_run=1))
    ids = [runner.spawn_experiment(HOLD).run_id for _ in range(3)]
    until(lambda: begun(lab) == 2)
    until(lambda: [state.status for state in runner.poll(ids)].count("pending") == 1)
    (waiting,) = [state for state in runner.poll(ids) if state.status == "pending"]
    assert (waiting.backend_state, waiting.reason) == (
        "WAITING",
        "waiting for CPUs or GPUs of this machine",
    )
    (lab / "gate").touch()
    results = [runner.get_result(run_id) for run_id in ids]
    assert {result.metrics["gpu"] for result in results} == {5, 7}
    first_two_began = sorted(result.metrics["began"] for result in results)
    assert first_two_began[2] >= min(result.metrics["ended"] for result in results)


def test_runs_of_two_processes_share_the_machine(lab: Path) -> None:
    code = """
from tmgg.experiment_utils.cloud import LocalConfig, LocalRunner
runner = LocalRunner(LocalConfig(gpus_per_run=2))
runner.spawn_experiment({"experiment": {"_target_": "lab:hold"}, "hold_s": 0.3}, run_id="other")
"""
    subprocess.run([sys.executable, "-c", code], check=True, timeout=150)
    runner = LocalRunner(LocalConfig(gpus_per_run=1))
    until(lambda: begun(lab) == 1)
    run_id = runner.spawn_experiment(HOLD).run_id
    until(lambda: runner.get_status(run_id) == "pending" and runner.poll([run_id])[0].reason != "")
    (lab / "gate").touch()
    mine, other = runner.get_result(run_id).metrics, runner.get_result("other").metrics
    assert mine["began"] >= other["ended"]
    assert (mine["gpus"], other["gpus"]) == (1, 2)


def test_a_run_cancelled_while_it_waits_never_begins(lab: Path) -> None:
    runner = LocalRunner(LocalConfig(gpus_per_run=2))
    first = runner.spawn_experiment(HOLD).run_id
    until(lambda: begun(lab) == 1)
    second = runner.spawn_experiment(HOLD).run_id
    until(lambda: runner.poll([second])[0].backend_state == "WAITING")
    assert runner.cancel(second) is True
    result = runner.get_result(second)
    assert result.failure is not None
    assert result.failure.kind == "cancelled"
    (lab / "gate").touch()
    assert runner.get_result(first).status == "completed"
    assert begun(lab) == 1


def test_what_a_killed_run_had_is_free_again(lab: Path) -> None:
    runner = LocalRunner(LocalConfig(gpus_per_run=2))
    first = runner.spawn_experiment(HOLD)
    until(lambda: begun(lab) == 1)
    os.kill(int(str(first.job_id).partition(".")[0]), signal.SIGKILL)
    second = runner.spawn_experiment(HOLD)
    until(lambda: begun(lab) == 2)
    (lab / "gate").touch()
    assert runner.get_result(first).status == "failed"
    assert runner.get_result(second).metrics["gpus"] == 2


def test_cpus_set_the_number_of_threads_and_none_hides_no_gpu(lab: Path) -> None:
    (lab / "gate").touch()
    budgeted = LocalRunner(LocalConfig(cpus_per_run=1)).run_experiment(HOLD)
    assert (budgeted.metrics["threads"], budgeted.metrics["gpus"]) == (1, 2)
    free = LocalRunner(LocalConfig(gpus_per_run=0)).run_experiment(HOLD)
    assert (free.metrics["threads"], free.metrics["gpus"]) == (0, 0)


def test_more_than_the_machine_has_is_refused(lab: Path) -> None:
    with pytest.raises(ConfigError, match=r"gpus_per_run=3 is more than .*: 2"):
        LocalRunner(LocalConfig(gpus_per_run=3)).spawn_experiment(HOLD)
    with pytest.raises(ConfigError, match="cpus_per_run=100000 is more"):
        LocalRunner(LocalConfig(cpus_per_run=100_000)).spawn_experiment(HOLD)


def test_a_retry_where_there_is_less_is_refused_and_does_not_wait_for_ever(
    lab: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    runner = LocalRunner(LocalConfig(gpus_per_run=2))
    run_id = runner.spawn_experiment(HOLD).run_id
    assert runner.cancel(run_id)
    assert runner.get_result(run_id).status == "failed"
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0")
    with pytest.raises(SubmissionError, match=r"gpus_per_run=2 is more than .*: 1"):
        runner.retry(run_id)
    assert runner.get_result(run_id).status == "failed"


@pytest.mark.parametrize(
    ("value", "found"),
    [
        (None, ["0", "1"]),
        ("", []),
        ("-1", []),
        ("NoDevFiles", []),
        ("3", ["3"]),
        (" 1, 0 ", ["1", "0"]),
        ("0,-1,1", ["0"]),
        ("GPU-aa,MIG-bb", ["GPU-aa", "MIG-bb"]),
    ],
)
def test_gpus_are_those_cuda_would_show(value: str | None, found: list[str]) -> None:
    assert visible_gpus(value, installed=2) == found
