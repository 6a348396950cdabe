"""Nothing that another run, another job or another cluster left is taken for a run's own."""

import json
import shutil
from pathlib import Path

import pytest

from tests.experiment_utils.cloud.slurm.runner.conftest import paths_of, spawn
from tests.fakes.slurm.fake import FakeSlurm
from tmgg.errors import BackendError, QueryError, SubmissionError
from tmgg.experiment_utils.cloud import SlurmConfig, SlurmRunner
from tmgg.experiment_utils.cloud.slurm import cluster_names
from tmgg.experiment_utils.files.atomic_file import write_json
from tmgg.experiment_utils.run_folder.exit_record import read_exit_record
from tmgg.experiment_utils.run_folder.registry import load_intent


def leave_ended(runner: SlurmRunner, token: str | None) -> None:
    paths = paths_of(runner)
    record = {"version": 1, "token": token, "job_id": "1", "restart": 0, "stage": "entrypoint"}
    more = {"signal": "", "exit_code": 0, "entrypoint_exit_code": 0, "ended_at": 1.0}
    write_json(paths.ended, record | more)


def test_what_a_removed_run_left_is_set_aside_and_never_read(
    runner: SlurmRunner, slurm: FakeSlurm, folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    slurm.configure(run_jobs=True)
    slurm.wait_for(spawn(runner), "COMPLETED")
    assert runner.get_status("run") == "completed"
    shutil.rmtree(paths_of(runner).run_paths.folder)
    slurm.configure(run_jobs=False)
    again = SlurmRunner(SlurmConfig())
    spawn(again)
    assert again.get_status("run") == "pending"
    spawned_in = folder / "slurm_outputs" / ".earlier"
    (kept,) = spawned_in.iterdir()
    assert {path.name for path in kept.iterdir()} == {"run.1.json", "run.out", "run.err"}
    assert "moved to" in caplog.text


@pytest.mark.parametrize("token", ["f" * 32, None])
def test_an_exit_record_without_the_right_token_is_none(
    runner: SlurmRunner, slurm: FakeSlurm, token: str | None
) -> None:
    spawn(runner)
    leave_ended(runner, token)
    assert read_exit_record(paths_of(runner)) is None
    leave_ended(runner, load_intent(paths_of(runner)).token)
    assert read_exit_record(paths_of(runner)) is not None


def test_of_a_submission_made_before_tokens_evidence_without_one_counts(
    runner: SlurmRunner, slurm: FakeSlurm
) -> None:
    spawn(runner)
    intent = json.loads(paths_of(runner).intent.read_text())
    del intent["evidence_has_token"]
    write_json(paths_of(runner).intent, intent)
    leave_ended(runner, None)
    assert read_exit_record(paths_of(runner)) is not None


@pytest.mark.parametrize("state", ["RUNNING", "COMPLETED", "FAILED", "CANCELLED"])
def test_a_job_id_that_came_again_says_nothing_and_is_not_cancelled(
    runner: SlurmRunner, slurm: FakeSlurm, state: str
) -> None:
    job_id = spawn(runner)
    slurm.change_job(job_id, comment=f"tmgg:{'e' * 32}", state=state, in_accounts=False)
    state_now = runner.poll(["run"])[0]
    assert (state_now.status, state_now.final) == ("pending", False)
    assert "number to another job" in state_now.note
    assert runner.cancel("run")
    assert slurm.calls("scancel") == []
    assert runner.poll(["run"])[0].failure.kind == "cancelled"  # type: ignore[union-attr]


def test_a_comment_that_the_site_wrote_anew_leaves_the_job_ours(
    runner: SlurmRunner, slurm: FakeSlurm
) -> None:
    job_id = spawn(runner)
    slurm.change_job(job_id, comment="site-policy", state="RUNNING")
    assert runner.poll(["run"])[0].backend_state == "RUNNING"
    assert runner.cancel("run")
    assert slurm.jobs[job_id]["state"] == "CANCELLED"


@pytest.mark.parametrize("comment", ["", "site-policy"])
@pytest.mark.parametrize("state", ["PENDING", "RUNNING", "COMPLETED", "FAILED"])
def test_a_plain_job_of_the_same_user_with_our_number_is_not_ours(
    runner: SlurmRunner, slurm: FakeSlurm, state: str, comment: str
) -> None:
    """The controller lost its state, and somebody submits at once; or a site writes comments."""
    job_id = spawn(runner)
    other = {"script": "/home/alice/train.sh", "options": {}, "submit_line": "sbatch train.sh"}
    slurm.change_job(job_id, comment=comment, state=state, name="train", **other)
    told = runner.poll(["run"])[0]
    assert (told.status, told.final) == ("pending", False)
    assert "number to another job" in told.note
    assert runner.cancel("run")
    assert slurm.calls("scancel") == []


def test_a_job_that_cannot_be_told_from_others_is_neither_believed_nor_cancelled(
    runner: SlurmRunner, slurm: FakeSlurm
) -> None:
    job_id = spawn(runner)
    copy = {"script": "/var/spool/site/copy-of-job.sh", "submit_line": ""}
    slurm.change_job(job_id, comment="site-policy", state="RUNNING", in_accounts=False, **copy)
    job = slurm.jobs[job_id]
    assert runner.poll(["run"])[0].backend_state == "RUNNING"  # its log is ours
    slurm.change_job(job_id, options=job["options"] | {"output": "(null)"}, cwd="")
    again = SlurmRunner(SlurmConfig())
    state = again.poll(["run"])[0]
    assert (state.status, state.final, state.answered) == ("pending", False, False)
    with pytest.raises(QueryError, match="No job is cancelled before it is known"):
        again.cancel("run")
    assert slurm.calls("scancel") == []


def test_what_a_nameless_job_runs_is_asked_for_once(runner: SlurmRunner, slurm: FakeSlurm) -> None:
    job_id = spawn(runner)
    slurm.change_job(job_id, comment="site-policy", state="RUNNING")
    for _look in range(3):
        assert runner.poll(["run"])[0].backend_state == "RUNNING"
    asked = [call for call in slurm.calls("scontrol") if "job" in call.argv]
    assert len(asked) == 1


def test_on_another_cluster_nothing_is_concluded_and_nothing_touched(
    runner: SlurmRunner, slurm: FakeSlurm
) -> None:
    spawn(runner)
    slurm.configure(cluster="other", jobs={})
    cluster_names._names.clear()
    elsewhere = SlurmRunner(SlurmConfig(lost_grace_s=1e-6))
    for _ in range(3):
        state = elsewhere.poll(["run"])[0]
        assert (state.status, state.final) == ("pending", False)
        assert "'fake'" in state.note
    with pytest.raises(BackendError, match="nothing was done"):
        elsewhere.cancel("run")
    with pytest.raises(SubmissionError, match="not submitted again"):
        elsewhere.retry("run")
    assert not paths_of(runner).cancel.exists()


def test_a_job_that_sbatch_gave_to_another_cluster_is_looked_for_there_only(
    runner: SlurmRunner, slurm: FakeSlurm
) -> None:
    slurm.break_command("sbatch", stdout="4711;west\n", exit_code=0)
    assert spawn(runner) == "4711"
    assert json.loads(paths_of(runner).job.read_text())["cluster"] == "west"
    for asking in (runner, SlurmRunner(SlurmConfig(lost_grace_s=1e-6))):
        for _look in range(3):
            state = asking.poll(["run"])[0]
            assert (state.status, state.final) == ("pending", False)
            assert "submitted to the cluster 'west'" in state.note
    with pytest.raises(BackendError, match="Log in to 'west'"):
        runner.cancel("run")
    with pytest.raises(SubmissionError, match="not submitted again"):
        runner.retry("run")
    assert slurm.calls("scancel") == []
    slurm.configure(cluster="west")
    cluster_names._names.clear()
    assert SlurmRunner(SlurmConfig()).poll(["run"])[0].note == "not yet known to the backend"


def test_the_name_of_ones_own_cluster_in_the_answer_changes_nothing(
    runner: SlurmRunner, slurm: FakeSlurm
) -> None:
    slurm.break_command("sbatch", perform=True, stdout="1001;fake\n", exit_code=0)
    job_id = spawn(runner)
    assert runner.poll(["run"])[0].backend_state == "PENDING"
    assert runner.cancel("run")
    assert slurm.jobs[job_id]["state"] == "CANCELLED"
