"""RayRunner on a pretended cluster: what it asks for, and what it makes of the answers."""

import json
import os
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.fakes.clock import FakeClock
from tests.fakes.ray_dashboard import FakeRay, serve
from tmgg.errors import (
    BackendError,
    BackendUnavailableError,
    ConfigError,
    MissingExtraError,
    QueryError,
    SubmissionError,
    SubmissionUnknownError,
)
from tmgg.experiment_utils.cloud import RayConfig, RayRunner, RunState, TaskRequest
from tmgg.experiment_utils.cloud.judging.polling import Question
from tmgg.experiment_utils.cloud.ray import own_ray
from tmgg.experiment_utils.cloud.ray.client import RayJobsClient
from tmgg.experiment_utils.cloud.ray.runner import RayBackend
from tmgg.experiment_utils.cloud.ray.states import view_of
from tmgg.experiment_utils.cloud.runs_on_record.known_run import read_known_run
from tmgg.experiment_utils.cloud.runs_on_record.reattach import Reattached
from tmgg.experiment_utils.cloud.runs_on_record.recorded import RecordedRuns
from tmgg.experiment_utils.files.atomic_file import write_atomic, write_json
from tmgg.experiment_utils.run_folder.evidence_token import read_token
from tmgg.experiment_utils.run_folder.exit_record import End, leave_exit_record
from tmgg.experiment_utils.run_folder.ownership import claim, is_forbidden
from tmgg.experiment_utils.run_folder.paths import RunPaths, SubmissionPaths
from tmgg.experiment_utils.run_folder.task import TaskOutput

CONFIG = {"experiment": {"_target_": "lab:run"}}
NODE_LOST = {
    "error_type": "JOB_SUPERVISOR_ACTOR_DIED",
    "message": "Job supervisor actor died: The actor died because its node has died.",
}


@pytest.fixture
def ray() -> FakeRay:
    return FakeRay()


@pytest.fixture
def address(ray: FakeRay) -> Iterator[str]:
    with serve(ray) as address:
        yield address


def runner_at(address: str, **options: Any) -> RayRunner:
    return RayRunner(RayConfig(address=address, lost_grace_s=0.1, **options))


def files(runner: RayRunner, run_id: str) -> SubmissionPaths:
    return RunPaths(runner.output_dir, run_id).submission(1)


def test_a_job_asks_for_what_the_config_says(folder: Path, ray: FakeRay, address: str) -> None:
    runner = runner_at(
        address,
        cpus_per_run=2,
        gpus_per_run=0.5,
        memory_gb=1.5,
        gpu_type="A100",
        resources={"license": 1},
        node_labels={"zone": "a"},
        runtime_env={"env_vars": {"WORD": "x"}},
        python="/opt/py thon",
    )
    spawned = runner.spawn_experiment(CONFIG, run_id="run")
    (job,) = ray.jobs.values()
    assert spawned.job_id == job["submission_id"]
    assert (job["entrypoint_num_cpus"], job["entrypoint_num_gpus"]) == (2, 0.5)
    assert job["entrypoint_memory"] == 1_500_000_000
    assert job["entrypoint_resources"] == {"license": 1, "accelerator_type:A100": 0.001}
    assert job["entrypoint_label_selector"] == {"zone": "a"}
    assert job["runtime_env"]["env_vars"] == {"WORD": "x", "RAY_JOB_STOP_WAIT_TIME_S": "20"}
    assert job["entrypoint"].startswith("exec '/opt/py thon' -m tmgg.")
    assert job["entrypoint"].endswith(f" {spawned.job_id} 0 --connect")
    title, _, body = runner.render_dry_run(TaskRequest(config=CONFIG)).partition("\n")
    assert title == f"# POST /api/jobs/ of {address}"
    shown = json.loads(body)
    assert shown.keys() == job.keys() - {"submission_id", "type", "status"}


def test_an_answer_that_is_lost_is_no_second_job(folder: Path, ray: FakeRay, address: str) -> None:
    ray.answers_lost = 1
    runner = runner_at(address)
    spawned = runner.spawn_experiment(CONFIG)
    assert list(ray.jobs) == [spawned.job_id]
    assert ray.requests.count("POST /api/jobs/") == 2


def test_a_cluster_that_is_not_ready_is_asked_again(
    folder: Path, ray: FakeRay, address: str
) -> None:
    ray.not_ready = 2
    runner_at(address).spawn_experiment(CONFIG)
    assert len(ray.jobs) == 1


def test_a_refusal_is_reported_in_rays_words_and_is_the_runs_outcome(
    folder: Path, ray: FakeRay, address: str
) -> None:
    ray.refusal = "no such label"
    runner = runner_at(address)
    with pytest.raises(SubmissionError, match="refused the job: ValueError: no such label"):
        runner.spawn_experiment(CONFIG, run_id="run")
    result = runner.get_result("run")
    assert result.failure is not None
    assert result.failure.kind == "submission"


def test_a_cluster_that_does_not_answer_leaves_the_question_open(
    folder: Path, ray: FakeRay
) -> None:
    clock = FakeClock()
    client = RayJobsClient("http://127.0.0.1:9", None, clock=clock)
    with pytest.raises(SubmissionUnknownError, match=r"within 30 s .* tmgg-x: .* did not"):
        client.submit({}, "tmgg-x", budget_s=30)
    runner = runner_at("http://127.0.0.1:9", submit_timeout_s=0.1)
    with pytest.raises(SubmissionUnknownError):
        runner.spawn_experiment(CONFIG, run_id="run")
    (state,) = runner.poll(["run"])
    assert (state.status, state.final) == ("pending", False)


def test_an_answer_that_ends_in_the_middle_is_no_answer(
    folder: Path, ray: FakeRay, address: str
) -> None:
    runner = runner_at(address)
    runner.spawn_experiment(CONFIG, run_id="run")
    ray.cut_off = {"GET /api/jobs/"}
    (state,) = runner.poll(["run"])
    assert (state.status, state.final, state.answered) == ("pending", False, False)


def test_a_refusal_of_a_job_that_cannot_be_looked_up_leaves_the_question_open(
    folder: Path, ray: FakeRay, address: str
) -> None:
    ray.refusal = "already exists"
    ray.cut_off = {"GET /api/jobs/tmgg-x"}
    client = RayJobsClient(address, None, clock=FakeClock())
    with pytest.raises(SubmissionUnknownError, match=r"tmgg-x: Ray at .* did not answer"):
        client.submit({}, "tmgg-x", budget_s=1)


def test_a_submitter_that_ended_in_between_has_its_job_found_by_its_token(
    folder: Path, ray: FakeRay, address: str
) -> None:
    runner = runner_at(address)
    spawned = runner.spawn_experiment(CONFIG, run_id="run")
    files(runner, "run").job.unlink()
    assert runner_at(address).poll(["run"])[0].job_id == spawned.job_id


def test_the_token_is_sent_and_a_wrong_one_is_named(
    folder: Path, ray: FakeRay, address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    ray.token = "secret"
    monkeypatch.delenv("RAY_AUTH_TOKEN", raising=False)
    monkeypatch.delenv("RAY_AUTH_TOKEN_PATH", raising=False)
    (folder / "token").write_text("secret\n")
    runner = runner_at(address, token_path=str(folder / "token"))
    runner.spawn_experiment(CONFIG, run_id="run")
    assert "secret" not in json.dumps([ray.jobs, ray.requests])
    assert "secret" not in files(runner, "run").run_paths.run.read_text()
    with pytest.raises(QueryError, match=r"not accept the token .*ray_token_path"):
        RayJobsClient(address, "wrong").find_all()
    (known,) = [read_known_run(files(runner, "run").run_paths)]
    assert Reattached([known]).poll([known.paths])[0].answered
    monkeypatch.setenv("RAY_AUTH_TOKEN_PATH", str(folder / "none"))
    assert not runner_at(address).poll(["run"])[0].answered


def test_a_redirect_is_not_followed_and_its_target_is_named(
    folder: Path, ray: FakeRay, address: str
) -> None:
    target = FakeRay()
    with serve(target) as there:
        ray.redirect = there
        client = RayJobsClient(address, "secret", clock=FakeClock())
        with pytest.raises(SubmissionError, match=f"redirects to .* Set ray_address={there}"):
            client.submit({}, "tmgg-x", budget_s=30)
        for ask in (client.find_all, client.has_open_jobs, lambda: client.find("tmgg-x")):
            with pytest.raises(QueryError, match=f"ray_address={there}"):
                ask()
    assert ray.requests.count("POST /api/jobs/") == 1
    assert target.requests == []
    assert target.headers == []


def test_a_redirect_to_a_login_page_is_told_without_what_may_be_secret(
    folder: Path, ray: FakeRay, address: str
) -> None:
    ray.redirect = "https://user:pw@login.example/sso?state=s3cret&next="
    with pytest.raises(QueryError, match=r"https://login\.example/sso, not to a list") as told:
        RayJobsClient(address, None).find_all()
    assert "pw" not in str(told.value)
    assert "s3cret" not in str(told.value)


@pytest.mark.parametrize(
    ("given", "words"), [("wrong", "does not accept the token"), (None, "none was found")]
)
def test_a_submission_with_a_wrong_token_is_refused_at_once(
    folder: Path, ray: FakeRay, address: str, given: str | None, words: str
) -> None:
    ray.token = "secret"
    clock = FakeClock()
    with pytest.raises(SubmissionError, match=f"{words} .*ray_token_path.* No job was submitted"):
        RayJobsClient(address, given, clock=clock).submit({}, "tmgg-x", budget_s=60)
    assert clock.naps_s == []


def test_a_token_that_is_changed_after_a_lost_answer_leaves_the_question_open(
    folder: Path, ray: FakeRay, address: str
) -> None:
    clock = FakeClock()
    ray.answers_lost = 1
    clock.after(0.0, lambda: setattr(ray, "token", "another"))
    with pytest.raises(SubmissionUnknownError, match="does not accept the token"):
        RayJobsClient(address, "old", clock=clock).submit({}, "tmgg-x", budget_s=1)
    assert list(ray.jobs) == ["tmgg-x"]


@pytest.mark.parametrize("answer", [[], {}, {"submission_id": "tmgg-y"}, "ok"])
def test_an_answer_that_does_not_name_the_job_is_no_yes(
    folder: Path, ray: FakeRay, address: str, answer: Any
) -> None:
    ray.answer_to_submission = json.dumps(answer)
    with pytest.raises(SubmissionUnknownError, match="does not name the job"):
        RayJobsClient(address, None, clock=FakeClock()).submit({}, "tmgg-x", budget_s=1)


def test_the_error_of_a_gateway_is_no_refusal(folder: Path, ray: FakeRay, address: str) -> None:
    ray.gateway_errors = 1
    RayJobsClient(address, None, clock=FakeClock()).submit({}, "tmgg-x", budget_s=10)
    assert list(ray.jobs) == ["tmgg-x"]


def test_a_lost_node_starts_the_run_again_as_often_as_allowed_and_once_only(
    folder: Path, ray: FakeRay, address: str
) -> None:
    runner, other = runner_at(address, max_retries=1), runner_at(address)
    job_id = str(runner.spawn_experiment(CONFIG, run_id="run").job_id)
    ray.end(job_id, "FAILED", **NODE_LOST)
    for each in (runner, other, runner):
        (state,) = each.poll(["run"])
        assert (state.status, state.attempt) == ("pending", 2)
    assert list(ray.jobs) == [job_id, f"{job_id}-r1"]
    assert ray.jobs[f"{job_id}-r1"]["entrypoint"].endswith(f" {job_id} 1 --connect")
    ray.end(f"{job_id}-r1", "FAILED", **NODE_LOST)
    result = runner.get_result("run")
    assert result.failure is not None
    assert (result.failure.kind, result.attempts) == ("node_fail", 2)
    assert "its node has died" in result.failure.message


def test_a_run_that_ended_just_before_its_node_was_lost_is_not_started_again(
    folder: Path, ray: FakeRay, address: str
) -> None:
    runner = runner_at(address, max_retries=2)
    job_id = runner.spawn_experiment(CONFIG, run_id="run").job_id
    assert job_id is not None
    submission = files(runner, "run")
    assert isinstance(runner.runs, RecordedRuns)
    (question,) = runner.runs.poller.begin_poll(["run"])
    assert isinstance(question, Question)
    # Meanwhile:
    output = TaskOutput(
        run_id="run",
        status="completed",
        metrics={"value": 5},
        submission=1,
        token=read_token(submission),
    )
    write_json(submission.result, output.to_json())
    write_atomic(submission.entrypoint_exit_code, b"0\n")
    leave_exit_record(submission, End(job_id=job_id))
    ray.end(job_id, "FAILED", **NODE_LOST)
    state = runner.runs.poller.end_poll(question, runner.runs.backend.view_jobs([job_id]))
    assert isinstance(state, RunState)
    assert (state.status, state.final) == ("completed", True)
    assert list(ray.jobs) == [job_id]


def test_a_run_that_failed_by_itself_is_not_started_again(
    folder: Path, ray: FakeRay, address: str
) -> None:
    runner = runner_at(address, max_retries=3)
    job_id = str(runner.spawn_experiment(CONFIG, run_id="run").job_id)
    failed = {"error_type": "JOB_ENTRYPOINT_COMMAND_ERROR", "driver_exit_code": 1}
    ray.end(job_id, "FAILED", **failed)
    assert runner.get_result("run").status == "failed"
    assert list(ray.jobs) == [job_id]


def test_a_waiting_run_is_cancelled_though_ray_goes_on_keeping_it(
    folder: Path, ray: FakeRay, address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    runner = runner_at(address)
    runner.spawn_experiment(CONFIG, run_id="run")
    monkeypatch.setattr(RayJobsClient, "stop", lambda _client, _ids: None)
    assert runner.cancel("run") is True
    result = runner.get_result("run")
    assert result.failure is not None
    assert result.failure.kind == "cancelled"


def test_runs_of_two_clusters_are_asked_about_each_at_its_own(folder: Path) -> None:
    first, second = FakeRay(), FakeRay()
    with serve(first) as here, serve(second) as there:
        runners = {"here": runner_at(here), "there": runner_at(there)}
        known = []
        for name, runner in runners.items():
            runner.spawn_experiment(CONFIG, run_id=name)
            known.append(read_known_run(files(runner, name).run_paths))
        second.end(next(iter(second.jobs)), "STOPPED")
        states = Reattached(known).poll([run.paths for run in known])
    assert [(state.status, state.final) for state in states] == [
        ("pending", False),
        ("failed", True),
    ]


def test_a_job_that_ray_has_forgotten_is_lost_after_a_while(
    folder: Path, ray: FakeRay, address: str
) -> None:
    runner = runner_at(address)
    runner.spawn_experiment(CONFIG, run_id="run")
    ray.jobs.clear()
    result = runner.get_result("run")
    assert result.failure is not None
    assert result.failure.kind == "lost"


@pytest.mark.parametrize(
    ("job", "phase", "kind"),
    [
        (None, "unknown", None),
        ({"status": "PENDING"}, "pending", None),
        ({"status": "RUNNING"}, "running", None),
        ({"status": "SUCCEEDED"}, "ended", None),
        ({"status": "STOPPED"}, "ended", "cancelled"),
        ({"status": "SOMETHING_NEW"}, "running", None),
        ({"status": "FAILED", "driver_exit_code": 127}, "ended", "environment"),
        ({"status": "FAILED", "error_type": "RUNTIME_ENV_SETUP_FAILURE"}, "ended", "environment"),
        (
            {"status": "FAILED", "error_type": "JOB_SUPERVISOR_ACTOR_UNSCHEDULABLE"},
            "ended",
            "submission",
        ),
        ({"status": "FAILED", **NODE_LOST}, "ended", "node_fail"),
        (
            {"status": "FAILED", "message": "worker killed: the node was running low on memory"},
            "ended",
            "out_of_memory",
        ),
    ],
)
def test_every_status_has_its_meaning(
    job: dict[str, Any] | None, phase: str, kind: str | None
) -> None:
    view = view_of(job)
    assert (view.phase, view.kind) == (phase, kind)


def test_every_error_that_ray_knows_is_in_the_table() -> None:
    common = pytest.importorskip("ray.dashboard.modules.job.common")
    from tmgg.experiment_utils.cloud.ray import states

    assert set(states._KINDS) == {error.value for error in common.JobErrorType}


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"address": "head:6379"}, "address='head:6379' must be the address"),
        ({"address": "http://user:secret@head:8265"}, "must be the address"),
        ({"cpus_per_run": -1}, "cpus_per_run=-1 must be a number, 0 or more"),
        ({"resources": ["gpu"]}, r"resources=\['gpu'\] must be a mapping"),
        ({"resources": {"gpu": "all"}}, "resources.gpu='all' must be a number"),
        ({"runtime_env": {"env_vars": {"RAY_JOB_STOP_WAIT_TIME_S": "1"}}}, "TMGG's own"),
        ({"max_retries": -1}, "max_retries=-1 must be at least 0"),
        ({"max_retry": 1}, "unknown Ray option 'max_retry'. Did you mean 'max_retries'"),
    ],
)
def test_what_cannot_be_is_refused(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        RayConfig.from_mapping(options)


def test_without_ray_the_install_command_is_named(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(own_ray, "_DASHBOARD", ("no_such_module_of_ray",))
    with pytest.raises(MissingExtraError, match="pip install"):
        RayRunner().spawn_experiment(CONFIG)


def test_a_ray_that_does_not_start_says_why(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(own_ray, "HOST", "tmgg.no_such_module")
    with pytest.raises(BackendUnavailableError, match="No module named tmgg"):
        RayRunner().spawn_experiment(CONFIG)
    assert own_ray.find_own_ray() is None
    assert oct(own_ray.state_folder().stat().st_mode & 0o777) == "0o700"


def test_a_ray_of_another_machine_is_not_asked_here(folder: Path) -> None:
    assert RayBackend(RayConfig()).view_jobs(["tmgg-1@elsewhere"]) == {"tmgg-1@elsewhere": None}
    (view,) = RayBackend(RayConfig()).view_jobs([f"tmgg-1@{os.uname().nodename}"]).values()
    assert view is not None
    assert view.phase == "unknown"


def test_a_run_of_another_machines_ray_is_left_as_it_is(
    folder: Path, address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    here = RayRunner(client=RayJobsClient(address, None))
    spawned = here.spawn_experiment(CONFIG, run_id="run")
    submission = files(here, "run")
    monkeypatch.setattr(socket, "gethostname", lambda: "another")
    other = RayRunner()  # there is no Ray on this machine
    for began in (False, True):
        if began:
            claim(submission, str(spawned.job_id))
        (state,) = other.poll(["run"])
        assert (state.final, state.answered, state.is_elsewhere) == (False, False, True)
        assert state.status == ("running" if began else "pending")
        with pytest.raises(BackendError, match=r"nothing was done: its Ray is that of .*Log in to"):
            other.cancel("run")
        with pytest.raises(SubmissionError, match="Log in to"):
            other.retry("run")
    assert not submission.cancel.exists()
    assert not is_forbidden(submission)


def test_a_job_of_another_machines_ray_is_never_said_to_be_ended(
    folder: Path, ray: FakeRay, address: str
) -> None:
    backend = RayBackend(RayConfig(), RayJobsClient(address, None))
    ray.jobs["tmgg-1"] = {"submission_id": "tmgg-1", "status": "RUNNING"}
    with pytest.raises(QueryError, match="job tmgg-2 is not ended: its Ray is that of elsewhere"):
        backend.cancel_jobs([f"tmgg-1@{os.uname().nodename}", "tmgg-2@elsewhere"])
    assert ray.jobs["tmgg-1"]["status"] == "STOPPED"
