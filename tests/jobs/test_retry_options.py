"""`tmgg-jobs retry --set`: other options for the next attempt, checked and on record."""

import json
from pathlib import Path

import pytest

from tests.fakes.slurm.fake import FakeSlurm
from tests.jobs.conftest import Jobs, submit
from tmgg.experiment_utils.cloud import SlurmConfig, SlurmRunner
from tmgg.experiment_utils.cloud.sweep.policy import RetryChanges


@pytest.fixture
def failed(empty: Path, slurm: FakeSlurm) -> Path:
    """Where the run `run-1` has failed, with three CPUs and the backend's own time limit."""
    job = submit("run-1", name="bad", cpus_per_task=3)
    slurm.run(job)
    slurm.wait_for(job, "FAILED")
    return empty / "slurm_outputs" / "run-1"


def test_options_change_for_this_attempt_and_those_after_it(
    failed: Path, tmgg_jobs: Jobs, slurm: FakeSlurm
) -> None:
    given = ("--set", "slurm_mem_per_cpu=8GB", "--set", "slurm_time_limit=12:00:00")
    retried = tmgg_jobs("retry", "run-1", *given, "--json")
    assert retried.code == 0, retried.err
    script = (failed / "2" / "job.sh").read_text()
    for option in ("--mem-per-cpu=8GB", "--time=12:00:00", "--cpus-per-task=3"):
        assert option in script
    # The limit in Python was the backend's own: it grows with it.
    assert json.loads((failed / "2" / "task.json").read_text())["timeout_seconds"] == 12 * 3600
    shown = tmgg_jobs("show", "run-1", "--json").json
    first, second = shown["submissions"]
    assert first["changes"] == []
    assert {each["what"]: each["after"] for each in second["changes"]} == {
        "slurm_mem_per_cpu": "8GB",
        "slurm_time_limit": "12:00:00",
        "timeout_seconds": str(12 * 3600),
    }
    assert "slurm_mem_per_cpu: " in tmgg_jobs("show", "run-1").out
    assert shown["settings"]["mem_per_cpu"] == "8GB"
    job = retried.json["retried"][0]["job_id"]
    slurm.run(job)
    slurm.wait_for(job, "FAILED")
    assert tmgg_jobs("retry", "run-1").code == 0
    assert "--mem-per-cpu=8GB" in (failed / "3" / "job.sh").read_text()
    assert not (failed / "3" / "run.json").exists()


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ("slurm_nodes=0", "slurm_nodes=0"),
        ("slurm_memory=8GB", "unknown launcher key 'slurm_memory'"),
        ("local_cpus_per_run=2", "not an option of the slurm backend"),
        ("slurm_output_dir=elsewhere", "the run's record is there"),
        ("slurm_sweep_mode=array", "a retry submits each run by itself"),
        ("parallelism=2", "this is an option of a launch, not of one run"),
        ("timeout_seconds=0", "timeout_seconds"),
        ("nonsense", "not an override"),
    ],
)
def test_what_cannot_be_set_is_refused_before_anything_is_submitted(
    failed: Path, tmgg_jobs: Jobs, slurm: FakeSlurm, given: str, words: str
) -> None:
    retried = tmgg_jobs("retry", "run-1", "--set", given)
    assert (retried.code, words in retried.err) == (2, True), retried.err
    assert len(slurm.calls("sbatch")) == 1
    assert not (failed / "2").exists()


def test_a_policys_changes_are_on_record_and_count_from_what_the_launch_asked_for(
    failed: Path, slurm: FakeSlurm
) -> None:
    runner = SlurmRunner(SlurmConfig())
    for number, factor in ((2, 2.0), (3, 4.0)):
        changes = RetryChanges(memory_factor=factor, exclude_nodes=("node7",))
        job = runner.retry("run-1", changes).job_id
        assert job is not None
        settings = json.loads((failed / str(number) / "run.json").read_text())["settings"]
        assert (settings["mem_per_cpu"], settings["exclude"]) == (
            f"{4096 * int(factor)}MB",
            "node7",
        )
        slurm.run(job)
        slurm.wait_for(job, "FAILED")
