"""Runs to look after: real ones of LocalRunner, made once, and jobs of a pretended Slurm."""

import json
import os
import shutil
import sys
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.fakes.slurm.fake import FakeSlurm
from tmgg.cli import jobs
from tmgg.experiment_utils.cloud.local.config import LocalConfig
from tmgg.experiment_utils.cloud.local.runner import LocalRunner
from tmgg.experiment_utils.cloud.slurm.config import SlurmConfig
from tmgg.experiment_utils.cloud.slurm.runner import SlurmRunner
from tmgg.experiment_utils.run_folder.paths import SweepPaths
from tmgg.experiment_utils.run_folder.sweeps import SweepRecord, SweepRun, save_sweep

EXPERIMENTS = """
import sys, time

def good(config):
    print("line one"); print("line two")
    return {"loss": 0.25, "epochs": 3}

def bad(config):
    print("on its way", file=sys.stderr)
    raise ValueError("boom")

def diverging(config):
    return {"loss": float("nan"), "grad": float("-inf")}

def slow(config):
    print("begun", flush=True)
    time.sleep(600)
"""
GOOD, BAD, DIVERGING = "good-1", "bad-1", "diverging-1"


@dataclass(frozen=True)
class Ended:
    """What a call of `tmgg-jobs` printed, and its exit code."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        """The one document on stdout."""
        return json.loads(self.out, parse_constant=_refuse)


Jobs = Callable[..., Ended]


def _refuse(word: str) -> None:
    raise AssertionError(f"{word} is not JSON")


@pytest.fixture(autouse=True)
def _own_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TMGG_HOME", str(tmp_path / "tmgg-home"))
    for name in [*os.environ]:
        if name.startswith(("TMGG_JOB", "TMGG_RESTART", "TMGG_RAY", "SLURM_", "SBATCH_")):
            monkeypatch.delenv(name)


@pytest.fixture
def tmgg_jobs(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Jobs:
    """`tmgg-jobs ARGUMENTS...` in this process."""

    def call(*arguments: str) -> Ended:
        capfd.readouterr()
        monkeypatch.setattr(sys, "argv", ["tmgg-jobs", *arguments])
        with pytest.raises(SystemExit) as ended:
            jobs.main()
        printed = capfd.readouterr()
        return Ended(int(ended.value.code or 0), printed.out, printed.err)

    return call


@pytest.fixture(scope="session")
def finished_runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A working directory whose `local_outputs` holds one run of each outcome."""
    folder = tmp_path_factory.mktemp("finished")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TMGG_HOME", str(folder / "tmgg-home"))
        patch.chdir(folder)
        (folder / "work.py").write_text(EXPERIMENTS)
        runner = LocalRunner(LocalConfig())
        for run_id, name in ((GOOD, "good"), (BAD, "bad"), (DIVERGING, "diverging")):
            runner.spawn_experiment({"experiment": {"_target_": f"work:{name}"}}, run_id=run_id)
        for run_id in (GOOD, BAD, DIVERGING):
            runner.get_result(run_id)
    return folder


@pytest.fixture
def here(tmp_path: Path, finished_runs: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working directory, with runs of its own that have ended."""
    folder = tmp_path / "with a space"
    shutil.copytree(finished_runs, folder)
    monkeypatch.chdir(folder)
    return folder


@pytest.fixture
def empty(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working directory, without any run."""
    folder = tmp_path / "work"
    folder.mkdir()
    (folder / "work.py").write_text(EXPERIMENTS)
    monkeypatch.chdir(folder)
    return folder


@pytest.fixture
def slow_run(empty: Path) -> Iterator[str]:
    """A local run that goes on until the test is over; its id."""
    runner = LocalRunner(LocalConfig())
    run_id = runner.spawn_experiment(task("slow"), run_id="slow-1").run_id
    yield run_id
    runner.cancel(run_id)
    runner.get_result(run_id)


@pytest.fixture
def slurm(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeSlurm]:
    """Slurm's commands on PATH; jobs are held until the test lets them run."""
    fake = FakeSlurm(tmp_path / "fake-slurm")
    fake.install()
    monkeypatch.setenv("PATH", f"{fake.bin_folder}:{os.environ['PATH']}")
    yield fake
    fake.end_all()


def task(name: str, **more: Any) -> dict[str, Any]:
    """The config of one of the experiments above."""
    return {"experiment": {"_target_": f"work:{name}"}, **more}


def submit(run_id: str, name: str = "good", **settings: Any) -> str:
    """Submit a run to the pretended Slurm; the job's id."""
    config = SlurmConfig(nodes=1, ray_bootstrap="none", lost_grace_s=1, **settings)
    spawned = SlurmRunner(config).spawn_experiment(task(name), run_id=run_id)
    assert spawned.job_id is not None
    return spawned.job_id


def record_sweep(folder: Path, sweep_id: str, run_ids: Iterable[str], **more: Any) -> SweepPaths:
    """Put a sweep of these runs on record; `more` are other fields of the record."""
    paths = SweepPaths(folder, sweep_id)
    runs = [SweepRun(run_id=run_id, key=run_id) for run_id in run_ids]
    record = SweepRecord(
        sweep_id=sweep_id, backend="local", mode="separate", parallelism=1, policy={}, runs=runs,
        **more,
    )  # fmt: skip
    save_sweep(paths, record)
    return paths
