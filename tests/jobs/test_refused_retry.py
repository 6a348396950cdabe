"""A retry that the backend refuses leaves the run as it was, and is told."""

from pathlib import Path

import pytest

from tests.fakes.slurm.fake import FakeSlurm
from tests.jobs.conftest import Jobs, submit, task
from tmgg.errors import SubmissionError, SubmissionUnknownError, TmggError, UnreadableError
from tmgg.experiment_utils.cloud import SlurmConfig, SlurmRunner
from tmgg.experiment_utils.cloud.runs import SweepMode, TaskRequest
from tmgg.experiment_utils.cloud.runs_on_record.reattach import Reattached
from tmgg.experiment_utils.cloud.runs_on_record.recorded import RecordedRuns
from tmgg.experiment_utils.cloud.runs_on_record.run_poller import RunPoller
from tmgg.experiment_utils.run_folder.paths import RunPaths

REFUSAL = (
    "sbatch: error: Batch job submission failed: Requested node configuration is not available"
)


@pytest.fixture
def failed(empty: Path, slurm: FakeSlurm) -> Path:
    """Where the run `run-1` has failed by itself."""
    job = submit("run-1", name="bad")
    slurm.run(job)
    slurm.wait_for(job, "FAILED")
    return empty / "slurm_outputs" / "run-1"


def refuse(slurm: FakeSlurm) -> None:
    slurm.break_command("sbatch", stdout="", stderr=REFUSAL, exit_code=1)


def test_it_keeps_its_verdict_its_options_and_its_attempts(
    failed: Path, tmgg_jobs: Jobs, slurm: FakeSlurm
) -> None:
    before = tmgg_jobs("show", "run-1", "--json").json
    assert (before["failure"]["kind"], before["refused_retry"]) == ("user_error", None)
    refuse(slurm)
    retried = tmgg_jobs("retry", "run-1", "--set", "slurm_mem_per_cpu=900TB", "--json")
    assert retried.code == 1
    assert "was not submitted, and is as it was" in retried.err
    assert "node configuration is not available" in retried.json["refused"][0]["message"]

    after = tmgg_jobs("show", "run-1", "--json").json
    refused = after.pop("refused_retry")
    before.pop("refused_retry")
    assert after == before
    assert not (failed / "2").exists()
    assert "node configuration is not available" in refused["message"]
    (change,) = refused["changes"]
    assert (change["what"], change["after"]) == ("slurm_mem_per_cpu", "900TB")
    shown = tmgg_jobs("show", "run-1").out
    assert "a retry was refused, and left the run as it was" in shown
    assert "-> 900TB" in shown

    assert tmgg_jobs("retry", "run-1").code == 0
    assert "--mem-per-cpu=900TB" not in (failed / "2" / "job.sh").read_text()
    assert tmgg_jobs("show", "run-1", "--json").json["refused_retry"] is None


def test_a_later_refusal_leaves_the_attempts_that_there_were(
    failed: Path, tmgg_jobs: Jobs, slurm: FakeSlurm
) -> None:
    assert tmgg_jobs("retry", "run-1", "--set", "slurm_cpus_per_task=2").code == 0
    job = list(slurm.jobs)[-1]
    slurm.run(job)
    slurm.wait_for(job, "FAILED")
    assert tmgg_jobs("show", "run-1", "--json").json["attempt"] == 2
    refuse(slurm)
    assert tmgg_jobs("retry", "run-1", "--set", "slurm_cpus_per_task=900").code == 1
    shown = tmgg_jobs("show", "run-1", "--json").json
    assert [each["number"] for each in shown["submissions"]] == [1, 2]
    assert (shown["attempt"], shown["failure"]["kind"]) == (2, "user_error")
    assert shown["settings"]["cpus_per_task"] == 2


@pytest.mark.parametrize("mode", ["separate", "array", "packed"])
def test_a_resumed_sweep_that_is_refused_leaves_what_failed_as_it_was(
    empty: Path, tmgg_jobs: Jobs, slurm: FakeSlurm, mode: SweepMode
) -> None:
    job = submit("run-1", name="bad")
    slurm.run(job)
    slurm.wait_for(job, "FAILED")
    tmgg_jobs("show", "run-1")
    requests = [
        TaskRequest(config=task("bad"), run_id="run-1"),
        TaskRequest(config=task("good"), run_id="run-2"),
    ]
    runner = SlurmRunner(SlurmConfig(nodes=1, ray_bootstrap="managed", mem_per_cpu="7MB"))
    slurm.break_command("sbatch", times=None, stdout="", stderr=REFUSAL, exit_code=1)
    sweep = runner.spawn_sweep(requests, mode=mode, resume=True)
    assert sorted(sweep.refused) == ["run-1", "run-2"]
    for _look in range(2):
        first = tmgg_jobs("show", "run-1", "--json").json
        assert (first["failure"]["kind"], first["attempt"]) == ("user_error", 1)
        assert "node configuration is not available" in first["refused_retry"]["message"]
        assert first["settings"]["mem_per_cpu"] != "7MB"
        second = tmgg_jobs("show", "run-2", "--json").json
        assert second["failure"]["kind"] == "submission"
        assert "node configuration is not available" in second["failure"]["message"]
    slurm.repair()
    again = SlurmRunner(SlurmConfig(nodes=1, ray_bootstrap="managed", mem_per_cpu="8MB"))
    assert again.spawn_sweep(requests, mode=mode, resume=True).refused == {}
    shown = tmgg_jobs("show", "run-1", "--json").json
    assert (shown["status"], shown["attempt"], shown["refused_retry"]) == ("pending", 2, None)
    assert shown["settings"]["mem_per_cpu"] == "8MB"


def test_a_first_submission_that_is_refused_is_a_failed_run(
    empty: Path, tmgg_jobs: Jobs, slurm: FakeSlurm
) -> None:
    refuse(slurm)
    with pytest.raises(SubmissionError, match="not available"):
        submit("run-1")
    assert tmgg_jobs("show", "run-1", "--json").json["failure"]["kind"] == "submission"


def fail_runs(slurm: FakeSlurm, number: int) -> None:
    """Submit runs run-0, run-1, ... that fail, one after the other."""
    for place in range(number):
        job = submit(f"run-{place}", name="bad")
        slurm.run(job)
        slurm.wait_for(job, "FAILED")


def test_who_retries_several_runs_beside_another_goes_on_with_the_rest(
    empty: Path, tmgg_jobs: Jobs, slurm: FakeSlurm, monkeypatch: pytest.MonkeyPatch
) -> None:
    fail_runs(slurm, 3)
    look = RunPoller.poll
    other = SlurmRunner(SlurmConfig())

    def poll(poller: RunPoller, run_ids: list[str]) -> object:
        found = look(poller, run_ids)
        is_other = isinstance(other.runs, RecordedRuns) and poller is other.runs.poller
        if not is_other and run_ids == ["run-1"] and len(slurm.calls("sbatch")) == 4:
            other.retry("run-1")  # after the look
        return found

    monkeypatch.setattr(RunPoller, "poll", poll)
    retried = tmgg_jobs("retry", "run-0", "run-1", "run-2", "--json")
    assert retried.code == 0, retried.err
    assert [each["run_id"] for each in retried.json["retried"]] == ["run-0", "run-2"]
    assert [each["run_id"] for each in retried.json["left_alone"]] == ["run-1"]
    assert "run run-1 is left alone: another process" in retried.err
    assert len(slurm.calls("sbatch")) == 6


def break_first_retry(monkeypatch: pytest.MonkeyPatch, error: TmggError) -> None:
    """Retrying run-0 raises this error."""
    retry = Reattached.retry

    def answer_the_other_only(self: Reattached, paths: RunPaths, *rest: object) -> object:
        if paths.run_id == "run-0":
            raise error
        return retry(self, paths)

    monkeypatch.setattr(Reattached, "retry", answer_the_other_only)


def test_where_nobody_knows_whether_a_run_was_submitted_nothing_else_is_said(
    empty: Path, tmgg_jobs: Jobs, slurm: FakeSlurm, monkeypatch: pytest.MonkeyPatch
) -> None:
    fail_runs(slurm, 2)
    break_first_retry(monkeypatch, SubmissionUnknownError("sbatch did not answer"))
    retried = tmgg_jobs("retry", "run-0", "run-1")
    assert "whether run run-0 was submitted is not known: sbatch did not answer" in retried.err
    assert "as it was" not in retried.err
    assert "run-1 submitted again" in retried.out
    assert retried.code == 4


def test_a_record_that_does_not_answer_keeps_no_other_run_from_being_retried(
    empty: Path, tmgg_jobs: Jobs, slurm: FakeSlurm, monkeypatch: pytest.MonkeyPatch
) -> None:
    fail_runs(slurm, 2)
    break_first_retry(monkeypatch, UnreadableError("the record does not answer"))
    retried = tmgg_jobs("retry", "run-0", "run-1", "--json")
    assert [each["run_id"] for each in retried.json["retried"]] == ["run-1"]
    assert [each["run_id"] for each in retried.json["left_out"]] == ["run-0"]
    assert retried.code == 4
