"""Exactly one job per submission, whatever happens to sbatch's answer."""

import json
from pathlib import Path

import pytest

from tests.experiment_utils.cloud.slurm.submit.submission.conftest import paths_of, spawn
from tests.fakes.clock import FakeClock
from tests.fakes.slurm.fake import FakeSlurm
from tmgg.errors import SubmissionError, SubmissionUnknownError
from tmgg.experiment_utils.cloud.slurm.client import SlurmClient
from tmgg.experiment_utils.cloud.slurm.config import SlurmConfig
from tmgg.experiment_utils.cloud.slurm.runner import SlurmRunner
from tmgg.experiment_utils.cloud.slurm.submit import submission as submission_module
from tmgg.experiment_utils.cloud.slurm.submit.submission import Submitter
from tmgg.experiment_utils.run_folder.ownership import is_forbidden
from tmgg.experiment_utils.run_folder.paths import SubmissionPaths
from tmgg.experiment_utils.run_folder.registry import load_intent

BASE = Path.cwd()
LOST = "sbatch: error: Batch job submission failed: Socket timed out on send/recv operation"


def the_token(paths: SubmissionPaths) -> str:
    return f"tmgg:{load_intent(paths).token}"


def submission_calls(slurm: FakeSlurm) -> list[str]:
    """All but the question for the cluster's name, which comes first."""
    first, *others = [call.argv[0] for call in slurm.calls()]
    assert first == "scontrol"
    return others


def test_an_answer_that_arrives_is_noted_with_the_token_in_the_job(
    runner: SlurmRunner, slurm: FakeSlurm
) -> None:
    job_id = spawn(runner)
    paths = paths_of(runner)
    assert json.loads(paths.job.read_text())["job_id"] == job_id
    assert slurm.only_job["comment"] == the_token(paths)
    assert slurm.only_job["id"] == job_id


def test_when_the_answer_is_lost_the_job_is_found_by_its_token_and_not_submitted_again(
    runner: SlurmRunner, slurm: FakeSlurm, clock: FakeClock
) -> None:
    slurm.break_command("sbatch", perform=True, exit_code=1, stderr=LOST)
    job_id = spawn(runner)
    assert slurm.only_job["id"] == job_id
    assert len(slurm.calls("sbatch")) == 1
    assert clock.naps_s == []


def test_when_a_site_overwrites_comments_the_submit_line_is_looked_up(
    runner: SlurmRunner, slurm: FakeSlurm, monkeypatch: pytest.MonkeyPatch
) -> None:
    slurm.break_command("sbatch", perform=True, exit_code=1, stderr=LOST)
    ask = SlurmClient.find_by_comment

    def overwritten(client: SlurmClient, comment: str) -> str | None:
        slurm.change_job(slurm.only_job["id"], comment="the site's own")
        return ask(client, comment)

    monkeypatch.setattr(SlurmClient, "find_by_comment", overwritten)
    assert spawn(runner) == slurm.only_job["id"]
    assert len(slurm.calls("sbatch")) == 1


def test_when_a_site_overwrites_comments_the_script_is_found_before_the_accounts_know(
    runner: SlurmRunner, slurm: FakeSlurm, monkeypatch: pytest.MonkeyPatch
) -> None:
    slurm.break_command("sbatch", perform=True, exit_code=1, stderr=LOST)
    monkeypatch.setattr(SlurmClient, "find_by_comment", lambda client, comment: None)
    assert spawn(runner) == slurm.only_job["id"]
    assert submission_calls(slurm) == ["sbatch", "squeue"]


def test_when_the_job_has_already_claimed_the_submission_nobody_needs_to_be_asked(
    runner: SlurmRunner, slurm: FakeSlurm, monkeypatch: pytest.MonkeyPatch
) -> None:
    slurm.configure(run_jobs=True)
    slurm.break_command("sbatch", perform=True, exit_code=1, stderr=LOST)
    ask = submission_module.find_job

    def once_it_runs(*arguments: object) -> str | None:
        slurm.wait_for(slurm.only_job["id"], "COMPLETED", "FAILED")
        slurm.configure(controller="down")
        return ask(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(submission_module, "find_job", once_it_runs)
    assert spawn(runner) == slurm.only_job["id"]
    assert slurm.calls("squeue") == []


def test_of_an_sbatch_that_prints_a_page_one_line_is_logged(
    runner: SlurmRunner, slurm: FakeSlurm, caplog: pytest.LogCaptureFixture
) -> None:
    page = "\n".join(["**** Welcome ****", "x" * 500, "Submitted batch job one"] * 3)
    slurm.break_command("sbatch", perform=True, stdout=page, exit_code=0)
    assert spawn(runner) == slurm.only_job["id"]
    (line,) = [each.getMessage() for each in caplog.records if "sbatch ended" in each.getMessage()]
    assert line.startswith("sbatch ended with 0: ")
    assert "\n" not in line
    assert len(line) < 250


def test_when_sbatch_hangs_without_accepting_it_is_tried_again_once(
    runner: SlurmRunner, slurm: FakeSlurm, clock: FakeClock
) -> None:
    slurm.break_command("sbatch", delay_s=60)
    job_id = spawn(SlurmRunner(runner.config, client=SlurmClient(submit_timeout_s=8), clock=clock))
    assert slurm.only_job["id"] == job_id
    assert len(slurm.calls("sbatch")) == 2
    assert len(clock.naps_s) == 1


def test_an_sbatch_that_failed_in_its_own_way_is_looked_up_once_and_not_repeated(
    runner: SlurmRunner, slurm: FakeSlurm, clock: FakeClock
) -> None:
    slurm.break_command("sbatch", exit_code=255, stderr="wrapper: no quota")
    with pytest.raises(SubmissionError, match="wrapper: no quota") as caught:
        spawn(runner)
    assert not isinstance(caught.value, SubmissionUnknownError)
    assert submission_calls(slurm) == ["sbatch", "squeue", "squeue", "sacct"]
    assert clock.naps_s == []
    assert is_forbidden(paths_of(runner))


def test_a_refusal_is_raised_at_once_and_is_the_runs_outcome(
    runner: SlurmRunner, slurm: FakeSlurm, clock: FakeClock
) -> None:
    words = "sbatch: error: Batch job submission failed: Invalid qos specification"
    slurm.break_command("sbatch", exit_code=1, stderr=words)
    with pytest.raises(SubmissionError, match="Invalid qos specification"):
        spawn(runner)
    assert len(slurm.calls("sbatch")) == 1
    assert clock.naps_s == []
    assert slurm.jobs == {}
    (state,) = runner.poll(["run"])
    assert (state.status, state.final) == ("failed", True)
    assert state.failure is not None
    assert state.failure.kind == "submission"
    assert "Invalid qos" in state.failure.message


@pytest.mark.parametrize(
    ("options", "words", "names"),
    [
        (
            {"partition": "nosuch"},
            "Invalid partition name specified",
            "Partitions here: batch, gpu",
        ),
        (
            {"account": "nosuch"},
            "Invalid account or account/partition combination",
            "Your accounts: research",
        ),
    ],
)
def test_an_unknown_name_is_refused_in_slurms_words_with_the_names_there_are(
    slurm: FakeSlurm, folder: Path, options: dict[str, str], words: str, names: str
) -> None:
    runner = SlurmRunner(SlurmConfig(**options))  # type: ignore[arg-type]
    with pytest.raises(SubmissionError) as caught:
        spawn(runner)
    assert words in str(caught.value)
    assert names in str(caught.value)
    assert slurm.jobs == {}


def test_slurms_words_stay_when_the_names_cannot_be_had(
    runner: SlurmRunner, slurm: FakeSlurm
) -> None:
    slurm.configure(partitions=["other"])
    slurm.break_command("sinfo", exit_code=1, stderr="down")
    with pytest.raises(SubmissionError, match="Invalid partition name specified"):
        spawn(runner)


def submitter(clock: FakeClock, budget_s: float = 300) -> Submitter:
    return Submitter(SlurmClient(), budget_s, clock, jitter=lambda: 0.5)


def test_a_controller_that_does_not_answer_is_asked_ever_more_rarely(
    paths: SubmissionPaths, slurm: FakeSlurm, clock: FakeClock
) -> None:
    slurm.break_command("sbatch", times=6, exit_code=1, stderr=LOST)
    job_id = submitter(clock).submit(paths, base=BASE)
    assert slurm.only_job["id"] == job_id
    assert clock.naps_s == [2, 4, 8, 16, 30, 30]


def test_waits_differ_between_processes(paths: SubmissionPaths, slurm: FakeSlurm) -> None:
    naps = []
    for jitter in (0.0, 0.999):
        clock = FakeClock()
        slurm.break_command("sbatch", exit_code=1, stderr=LOST)
        Submitter(SlurmClient(), 300, clock, jitter=iter([jitter]).__next__).submit(
            paths, base=BASE
        )
        naps += clock.naps_s
        slurm.configure(jobs={})
    assert naps == [pytest.approx(1.0), pytest.approx(2.998)]


def test_nothing_is_submitted_again_while_it_cannot_be_looked_up(
    paths: SubmissionPaths, slurm: FakeSlurm, clock: FakeClock
) -> None:
    slurm.break_command("sbatch", perform=True, exit_code=1, stderr=LOST)
    slurm.break_command("squeue", times=3, exit_code=1, stderr="Unable to contact slurm controller")
    job_id = submitter(clock).submit(paths, base=BASE)
    assert slurm.only_job["id"] == job_id
    assert submission_calls(slurm) == ["sbatch"] + ["squeue"] * 4
    assert clock.naps_s == [2, 4, 8]


def test_when_the_budget_is_over_and_no_job_is_in_none_may_run_any_more(
    paths: SubmissionPaths, slurm: FakeSlurm, clock: FakeClock
) -> None:
    slurm.break_command("sbatch", times=None, exit_code=1, stderr=LOST)
    began_s = clock.now_s
    with pytest.raises(SubmissionError, match="Socket timed out") as caught:
        submitter(clock, budget_s=60).submit(paths, base=BASE)
    assert not isinstance(caught.value, SubmissionUnknownError)
    assert "should one arrive after all, it ends unused" in str(caught.value)
    assert clock.now_s - began_s == 60
    assert is_forbidden(paths)


def test_when_nobody_can_tell_the_run_stays_open_and_is_found_later(
    runner: SlurmRunner, slurm: FakeSlurm, clock: FakeClock
) -> None:
    slurm.break_command("sbatch", perform=True, exit_code=1, stderr=LOST)
    slurm.break_command("squeue", times=None, exit_code=1, stderr="Unable to contact")
    with pytest.raises(SubmissionUnknownError) as caught:
        spawn(runner)
    message = str(caught.value)
    assert "cannot be told" in message
    assert "tmgg-jobs show run" in message
    assert "Do not submit it again before" in message

    assert not paths_of(runner).verdict.exists()
    assert runner.get_status("run") == "pending"
    slurm.repair()
    slurm.change_job(slurm.only_job["id"], state="RUNNING")
    later = SlurmRunner(runner.config)
    assert later.get_status("run") == "running"
    assert later.poll(["run"])[0].job_id == slurm.only_job["id"]


def run_jobs(slurm: FakeSlurm, folder: Path, **lab: str) -> None:
    (folder / "lab.py").write_text("def run(config):\n    return {'x': 1}\n")
    for job_id in slurm.jobs:
        slurm.run(job_id)
    for job_id in slurm.jobs:
        slurm.wait_for(job_id, "COMPLETED", "FAILED")


def test_a_duplicate_that_slips_through_ends_unused(
    runner: SlurmRunner, slurm: FakeSlurm, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The job was accepted, but neither queue nor accounts showed it when it was looked up."""
    slurm.break_command("sbatch", perform=True, exit_code=1, stderr=LOST)
    slurm.break_command("squeue", times=2, stdout=slurm.empty_queue(), exit_code=0)
    slurm.break_command("sacct", stdout="", exit_code=0)
    noted = spawn(runner)
    assert len(slurm.jobs) == 2
    run_jobs(slurm, folder)
    paths = paths_of(runner)
    owner = paths.owner.read_text().strip()
    result = runner.get_result("run")
    assert (result.status, result.metrics, result.job_id) == ("completed", {"x": 1}, owner)
    assert noted in slurm.jobs
    (unused,) = set(slurm.jobs) - {owner}
    assert f"this submission belongs to {owner}\n" in paths.run_paths.stdout.read_text()
    assert slurm.jobs[unused]["state"] == "COMPLETED"


def test_a_job_that_is_taken_after_all_ends_unused_once_the_submission_was_given_up(
    runner: SlurmRunner, slurm: FakeSlurm, folder: Path
) -> None:
    slurm.break_command("sbatch", times=None, exit_code=1, stderr=LOST)
    with pytest.raises(SubmissionError):
        spawn(runner)
    slurm.repair()
    paths = paths_of(runner)
    SlurmClient().submit(paths.script, comment=the_token(paths), cwd=folder)
    run_jobs(slurm, folder)
    assert slurm.only_job["state"] == "COMPLETED"
    assert not paths.result.exists()
    assert runner.get_status("run") == "failed"
