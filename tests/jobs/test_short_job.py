"""A short job of the doctor's that goes wrong is a finding, whatever went wrong, and no crash."""

from pathlib import Path
from typing import Any

import pytest

from tests.fakes.slurm.fake import FakeSlurm
from tests.jobs.conftest import task
from tmgg.experiment_utils.cloud.runs_on_record.waiting import LimitedClock
from tmgg.experiment_utils.cloud.slurm.config import SlurmConfig
from tmgg.experiment_utils.cloud.slurm.runner import SlurmRunner
from tmgg.experiment_utils.cloud.slurm.site.doctor.findings import Finding, ok
from tmgg.experiment_utils.cloud.slurm.site.doctor.short_job import ShortJob, shorter

PLAIN: dict[str, Any] = {"nodes": 1, "ray_bootstrap": "none", "gpus_per_task": 0}


def examined(job: ShortJob, *, limit_s: float = 30, judge: Any = lambda job: []) -> list[Finding]:
    return job.examine(
        task("good"), payload=None, clock=LimitedClock(limit_s), limit_s=limit_s, judge=judge
    )


def short_job(**options: Any) -> ShortJob:
    runner = SlurmRunner(SlurmConfig(**PLAIN | options))
    return ShortJob(runner, runner.output_dir, "start", lambda words: None)


@pytest.mark.parametrize(
    ("limit", "own"),
    [("08:00:00", "00:10:00"), ("00:02:00", "00:02:00"), ("UNLIMITED", "00:10:00")],
)
def test_it_is_short_whatever_a_run_asks_for(limit: str, own: str) -> None:
    assert shorter(limit) == own


def test_a_refusal_is_a_problem_in_slurms_words(empty: Path, slurm: FakeSlurm) -> None:
    slurm.add_rule("account", "Name an account.", allowed=())
    (finding,) = examined(short_job())
    assert (finding.check, finding.level) == ("start", "problem")
    assert "Name an account." in finding.text


def test_what_does_not_begin_in_time_is_cancelled(empty: Path, slurm: FakeSlurm) -> None:
    (finding,) = examined(short_job(), limit_s=0.3)
    assert (finding.level, slurm.only_job["state"]) == ("warning", "CANCELLED")


@pytest.mark.parametrize("error", [KeyError("x"), OSError("gone")])
def test_notes_that_cannot_be_read_are_a_problem(
    empty: Path, slurm: FakeSlurm, error: Exception
) -> None:
    def judge(job: ShortJob) -> list[Finding]:
        raise error

    slurm.configure(run_jobs=True)
    job = short_job()
    (finding,) = examined(job, judge=judge)
    assert finding.level == "problem"
    assert job.paths.run.exists()


def test_its_record_goes_when_nothing_was_found(empty: Path, slurm: FakeSlurm) -> None:
    slurm.configure(run_jobs=True)
    job = short_job()
    found = examined(job, judge=lambda job: [ok("start", str(sorted(job.phases())))])
    assert "batch_start" in found[0].text
    assert not job.paths.run.exists()
