"""`cancel` and `gc` for runs whose launcher is gone: settled for good, and never run afterwards."""

import json
import os
import time
from dataclasses import replace
from pathlib import Path

import pytest

from tests.fakes.slurm.fake import FakeSlurm
from tests.jobs.conftest import Jobs, task
from tmgg.experiment_utils.cloud import SlurmConfig, SlurmRunner
from tmgg.experiment_utils.cloud.runs_on_record.recorded import RecordedRuns
from tmgg.experiment_utils.cloud.slurm import backend as slurm_backend
from tmgg.experiment_utils.cloud.sweep import records as sweep_records
from tmgg.experiment_utils.cloud.sweep.plan import SweepOptions
from tmgg.experiment_utils.files import leases
from tmgg.experiment_utils.run_folder.paths import RunPaths
from tmgg.experiment_utils.run_folder.registry import Intent, new_intent
from tmgg.experiment_utils.run_folder.sweeps import sweep_of

CONFIGS = [task("good", x=x) for x in range(2)]


@pytest.fixture
def runner(empty: Path, slurm: FakeSlurm) -> SlurmRunner:
    return SlurmRunner(SlurmConfig(nodes=1, ray_bootstrap="none", gpus_per_task=0))


def intent_elsewhere(*_place: object) -> Intent:
    return replace(new_intent(), host="elsewhere", scope="another boot")


def end_lease(file: Path) -> None:
    long_ago = time.time() - leases.LEASE_S - 60
    os.utime(file, (long_ago, long_ago))


@pytest.fixture
def waiting(runner: SlurmRunner, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Runs that a launcher on another host put on record before it was gone."""
    monkeypatch.setattr(sweep_records, "new_intent", intent_elsewhere)
    plan = runner.plan_sweep(CONFIGS, SweepOptions(mode="separate"))
    runner.runs.note_sweep(plan, gpu_type=None)
    end_lease(sweep_records.waiting_batch(runner.output_dir, plan.sweep_id).intent)
    return [str(request.run_id) for request in plan.requests]


@pytest.fixture
def half_submitted(
    runner: SlurmRunner, slurm: FakeSlurm, monkeypatch: pytest.MonkeyPatch
) -> RunPaths:
    """A run whose submitter, on another host, was gone before sbatch answered; it has no job."""
    with monkeypatch.context() as patch:
        patch.setattr(slurm_backend, "new_intent", intent_elsewhere)
        patch.setattr(slurm_backend.SlurmBackend, "start", lambda *_given: "?")
        runner.spawn_experiment(CONFIGS[0], run_id="half")
    paths = RunPaths(runner.output_dir, "half")
    paths.submission(1).job.unlink(missing_ok=True)
    end_lease(paths.submission(1).intent)
    return paths


def status_of(tmgg_jobs: Jobs, run_id: str) -> dict[str, object]:
    shown: dict[str, object] = tmgg_jobs("show", run_id, "--json").json
    return shown


def test_reading_says_that_the_launcher_is_gone_and_ends_nothing(
    runner: SlurmRunner, waiting: list[str], tmgg_jobs: Jobs
) -> None:
    for _look in range(2):
        shown = status_of(tmgg_jobs, waiting[0])
        assert shown["status"] == "failed"
        assert "the launcher of the sweep ended before this run's turn" in json.dumps(shown)
    assert not (runner.output_dir / waiting[0]).exists()


def test_cancel_ends_what_a_gone_launcher_left_and_nobody_begins_it_any_more(
    runner: SlurmRunner, slurm: FakeSlurm, waiting: list[str], tmgg_jobs: Jobs
) -> None:
    cancelled = tmgg_jobs("cancel", waiting[0], "--json")
    (noted,) = cancelled.json["runs"]
    assert (noted["run_id"], noted["cancelled"]) == (waiting[0], True)
    shown = status_of(tmgg_jobs, waiting[0])
    failure = shown["failure"]
    assert isinstance(failure, dict)
    assert (shown["status"], failure["kind"]) == ("failed", "cancelled")
    first = RunPaths(runner.output_dir, waiting[0]).submission(1)
    assert first.owner.read_text() == "nobody\n"
    # The launcher was only stopped, and goes on.
    requests = runner.plan_sweep(CONFIGS, SweepOptions(mode="separate")).requests
    assert isinstance(runner.runs, RecordedRuns)
    runner.runs.submitter.spawn(
        replace(requests[0], run_id=waiting[0]),
        gpu_type=None,
        resume=False,
        sweep_id=str(sweep_of(waiting[0])),
    )
    assert slurm.calls("sbatch") == []
    assert status_of(tmgg_jobs, waiting[1])["status"] == "failed"  # by itself, as before


def test_cancel_ends_a_run_that_was_half_submitted(
    slurm: FakeSlurm, half_submitted: RunPaths, tmgg_jobs: Jobs
) -> None:
    assert tmgg_jobs("cancel", "half").code == 0
    failure = status_of(tmgg_jobs, "half")["failure"]
    assert isinstance(failure, dict)
    assert failure["kind"] == "cancelled"
    assert half_submitted.submission(1).owner.read_text() == "nobody\n"
    assert slurm.calls("scancel") == []


@pytest.mark.parametrize("kind", ["waiting", "half_submitted"])
def test_gc_settles_what_a_gone_launcher_left_and_removes_it_when_it_is_old(
    runner: SlurmRunner, tmgg_jobs: Jobs, kind: str, request: pytest.FixtureRequest
) -> None:
    made = request.getfixturevalue(kind)
    run_id = made[0] if isinstance(made, list) else made.run_id
    paths = RunPaths(runner.output_dir, run_id)
    assert tmgg_jobs("gc", "--older-than", "30d", "--dry-run").code == 0
    assert not paths.submission(1).verdict.exists()
    removed = tmgg_jobs("gc", "--older-than", "30d", "--yes", "--json").json
    assert removed["removed"] == []
    assert json.loads(paths.submission(1).verdict.read_text())["failure"]["kind"] == "submission"
    assert paths.submission(1).owner.read_text() == "nobody\n"
    long_ago = time.time() - 31 * 86_400
    os.utime(paths.submission(1).verdict, (long_ago, long_ago))
    removed = tmgg_jobs("gc", "--older-than", "30d", "--yes", "--json").json
    assert [each["run_id"] for each in removed["removed"]] == [run_id]
    assert not paths.folder.exists()
    assert tmgg_jobs("show", run_id).code != 0


def test_gc_leaves_what_a_launcher_that_lives_has_yet_to_submit(
    runner: SlurmRunner, waiting: list[str], tmgg_jobs: Jobs
) -> None:
    sweep_id = waiting[0].rpartition("-")[0]
    sweep_records.waiting_batch(runner.output_dir, sweep_id).intent.touch()
    assert tmgg_jobs("gc", "--older-than", "0s", "--yes", "--json").json["removed"] == []
    assert status_of(tmgg_jobs, waiting[0])["status"] == "pending"
