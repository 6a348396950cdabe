"""`runner.map` on Slurm: one job array, whose elements are runs like any others."""

import math
import threading
import time
from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.fakes.slurm.fake import FakeSlurm
from tmgg.errors import ConfigError, SubmissionError
from tmgg.experiment_utils.cloud.futures.call_future import RunFuture
from tmgg.experiment_utils.cloud.slurm.config import SlurmConfig
from tmgg.experiment_utils.cloud.slurm.runner import SlurmRunner
from tmgg.experiment_utils.run_folder.paths import RunPaths, SweepPaths
from tmgg.experiment_utils.run_folder.registry import load_task
from tmgg.experiment_utils.run_folder.sweeps import load_sweep

LIMIT_S = 60


@pytest.fixture
def runner(slurm: FakeSlurm, folder: Path) -> SlurmRunner:
    return SlurmRunner(SlurmConfig(nodes=1, ray_bootstrap="none", submit_timeout_s=5))


def cancel_all(futures: Sequence[RunFuture[float]]) -> None:
    for future in futures:
        future.cancel()


def test_map_is_one_array_and_its_calls_are_on_record(
    runner: SlurmRunner, slurm: FakeSlurm
) -> None:
    futures = runner.map(math.pow, [2, 3, 4], [2, 2, 2])

    job = slurm.only_job
    assert job["options"]["array"] == "0-2"
    sweep_id = futures[0].run_id.rpartition("-")[0]
    assert [future.run_id for future in futures] == [f"{sweep_id}-{n}" for n in range(3)]
    record = load_sweep(SweepPaths(runner.output_dir, sweep_id))
    assert record is not None
    assert [run.title for run in record.runs] == [f"math.pow({n}, 2)" for n in (2, 3, 4)]
    task = load_task(RunPaths(runner.output_dir, futures[1].run_id))
    assert task.config["call"] == "math.pow(3, 2)"
    assert not any(future.done() for future in futures)

    assert futures[1].cancel()

    assert [future.cancelled() for future in futures] == [False, True, False]
    assert [call.argv[-1] for call in slurm.calls("scancel")] == [f"{job['id']}_1"]
    # The same calls are found again, whoever asks; the one that was cancelled is submitted anew.
    again = SlurmRunner(runner.config).map(math.pow, [2, 3, 4], [2, 2, 2], resume=True)
    assert [future.run_id for future in again] == [future.run_id for future in futures]
    cancel_all(futures + again)


def test_at_most_so_many_elements_run_at_once(runner: SlurmRunner, slurm: FakeSlurm) -> None:
    futures = runner.map(math.sqrt, range(5), parallelism=2)
    assert slurm.only_job["options"]["array"] == "0-4%2"
    cancel_all(futures)


def test_submit_is_a_job_of_its_own(runner: SlurmRunner, slurm: FakeSlurm) -> None:
    future = runner.submit(math.sqrt, 4)
    assert "array" not in slurm.only_job["options"]
    assert future.cancel()


def test_a_refused_array_is_the_error_of_each_call(runner: SlurmRunner, slurm: FakeSlurm) -> None:
    words = "sbatch: error: invalid partition specified: gpuu"
    slurm.break_command("sbatch", exit_code=1, stderr=words, times=None)

    futures = runner.map(math.sqrt, range(2))
    with pytest.raises(SubmissionError, match="invalid partition"):
        runner.submit(math.sqrt, 4)

    for future in futures:
        error = future.exception(LIMIT_S)
        assert isinstance(error, SubmissionError)
        assert "invalid partition" in str(error)


def test_nothing_to_map_is_no_job(runner: SlurmRunner, slurm: FakeSlurm) -> None:
    assert runner.map(math.sqrt, []) == []
    with pytest.raises(ConfigError, match="at least one list of arguments"):
        runner.map(math.sqrt)
    assert not slurm.calls("sbatch")


def test_a_cancelled_call_is_asked_about_no_more(runner: SlurmRunner, slurm: FakeSlurm) -> None:
    future = runner.submit(math.sqrt, 4)
    (watcher,) = (each for each in threading.enumerate() if each.name == "tmgg-slurm-futures")
    deadline = time.monotonic() + LIMIT_S
    while not slurm.calls("squeue") and time.monotonic() < deadline:
        time.sleep(0.01)
    future.cancel()
    asked = len(slurm.calls("squeue"))
    watcher.join(LIMIT_S)
    assert not watcher.is_alive()
    assert len(slurm.calls("squeue")) == asked
