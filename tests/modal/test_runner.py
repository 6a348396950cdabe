"""What only the Modal backend has: options, files brought home, lost answers, silence."""

import dataclasses
import json
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from grpclib import Status

from tmgg.errors import (
    BackendError,
    BackendUnavailableError,
    SubmissionError,
    SubmissionUnknownError,
)
from tmgg.experiment_utils.cloud import ExperimentResult, ModalConfig, ModalRunner
from tmgg.experiment_utils.cloud.modal import calls
from tmgg.experiment_utils.cloud.modal import runner as runner_module

if TYPE_CHECKING:
    from tests.modal.standin.server import StandIn

PATIENCE_S = 60.0


def config(experiment: str, **values: Any) -> dict[str, Any]:
    return {"experiment": {"_target_": f"tests.modal.lab:{experiment}"}, **values}


@pytest.fixture
def make(
    modal_server: "StandIn", tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Callable[..., ModalRunner]:
    monkeypatch.setenv("TMGG_HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path)
    given = {"output_dir": str(tmp_path / "runs"), "local_packages": ("tests.modal.lab",)}
    return lambda **options: ModalRunner(ModalConfig(**{**given, **options}))


def wait_until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def kind_of(result: ExperimentResult) -> str | None:
    return None if result.failure is None else result.failure.kind


def submit_unanswered(runner: ModalRunner, modal_server: "StandIn", *, run_id: str) -> None:
    """Submit a run that Modal takes, without an answer; its call waits in Modal's queue."""
    runner.deploy()
    modal_server.scheduler.hold = True
    modal_server.unanswered.add("FunctionMap")
    with pytest.raises(SubmissionUnknownError):
        runner.spawn_experiment(config("train", size_bytes=1), run_id=run_id)
    modal_server.unanswered.clear()


def test_options_of_the_launching_python_reach_the_containers(
    make: Callable[..., ModalRunner], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "warnoptions", ["error::UserWarning"])

    result = make().run_experiment(config("interpreter", warning="error::UserWarning"))

    assert (result.status, result.metrics) == ("completed", {"is_strict": True}), result.failure


def test_options_reach_the_container(
    make: Callable[..., ModalRunner], modal_server: "StandIn", tmp_path: Path
) -> None:
    modal_server.world.named_secrets["lab"] = "st-lab"
    modal_server.world.secrets["st-lab"] = {"LAB_KEY": "s3cret"}
    volume = tmp_path / "volume"
    options: dict[str, Any] = {"secrets": ("lab",), "volumes": {str(volume): "lab-data"}}
    runner = make(gpus_per_task=4, cpus_per_task=2.0, memory_mb=512, retries=2, **options)
    given = config("surroundings", volume=str(volume), cwd=str(tmp_path))

    spawned = runner.spawn_experiment(given, gpu_type="a100-80gb", timeout_seconds=100)
    result = runner.get_result(spawned)

    assert result.metrics == {"secret": True, "cwd": True}
    assert spawned.job_id is not None
    call = modal_server.world.calls[spawned.job_id]
    definition = modal_server.world.functions[call.function_id].definition
    gpu = definition.resources.gpu_config
    assert (gpu.gpu_type, gpu.count) == ("A100-80GB", 4)
    assert (definition.resources.milli_cpu, definition.resources.memory_mb) == (2000, 512)
    assert (definition.timeout_secs, definition.retry_policy.retries) == (700, 2)
    (there,) = modal_server.world.volumes.values()
    assert (there / "left.txt").read_text() == "by the run"


def test_a_checkpoint_is_brought_home(make: Callable[..., ModalRunner], tmp_path: Path) -> None:
    result = make().run_experiment(config("train", size_bytes=3 << 20))

    assert result.checkpoint_path is not None
    assert Path(result.checkpoint_path).is_relative_to(tmp_path / "runs")
    assert Path(result.checkpoint_path).read_bytes() == b"w" * (3 << 20)


def test_files_that_do_not_fit_fail_the_run_and_lose_no_metrics(
    make: Callable[..., ModalRunner],
) -> None:
    result = make(artifacts_limit_mb=1).run_experiment(config("train", size_bytes=2 << 20))

    assert (result.status, kind_of(result), result.metrics) == ("failed", "artifacts", {"steps": 0})
    assert "artifacts_limit_mb=1" in str(result.error_message)


def test_a_retry_goes_on_from_what_the_failed_attempt_left(
    make: Callable[..., ModalRunner],
) -> None:
    runner = make()
    first = runner.run_experiment(config("train", size_bytes=10, fail_until=1))
    assert kind_of(first) == "user_error"

    second = runner.get_result(runner.retry(first.run_id))

    assert (second.status, second.metrics, second.attempts) == ("completed", {"steps": 1}, 2)


def test_a_container_that_dies_is_a_failure_of_its_node(make: Callable[..., ModalRunner]) -> None:
    result = make().run_experiment(config("last_breath"))

    assert (result.status, kind_of(result)) == ("failed", "node_fail")
    assert "modal_retries" in str(result.error_message)
    assert "slurm" not in str(result.error_message)


def test_a_run_waits_in_the_queue_until_there_is_room(
    make: Callable[..., ModalRunner], modal_server: "StandIn"
) -> None:
    runner = make()
    modal_server.scheduler.hold = True
    spawned = runner.spawn_experiment(config("train", size_bytes=1))
    (state,) = runner.poll([spawned.run_id])
    assert (state.status, state.reason) == ("pending", "in Modal's queue")

    modal_server.release()

    assert runner.get_result(spawned).status == "completed"


def test_an_unanswered_spawn_is_found_by_what_the_call_claims(
    make: Callable[..., ModalRunner], modal_server: "StandIn"
) -> None:
    runner = make(submit_timeout_s=3.0)
    runner.deploy()
    modal_server.unanswered.add("FunctionMap")
    with pytest.raises(SubmissionUnknownError, match="Do not submit it again"):
        runner.spawn_experiment(config("train", size_bytes=1), run_id="unanswered")

    assert runner.get_result("unanswered").status == "completed"


def test_a_call_that_comes_after_its_run_was_given_up_ends_unused(
    make: Callable[..., ModalRunner],
    modal_server: "StandIn",
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    runner = make(submit_timeout_s=3.0)
    runner.deploy()
    modal_server.scheduler.hold = True
    modal_server.unanswered.add("FunctionMap")
    counted = tmp_path / "counted"
    of_others = set(modal_server.world.inputs)
    with pytest.raises(SubmissionUnknownError):
        runner.spawn_experiment(config("count_runs", file=str(counted)), run_id="late")
    assert runner.get_status("late") == "pending"

    monkeypatch.setattr(runner_module, "SHOWS_ITSELF_WITHIN_S", 0.0)
    result = runner.get_result("late")
    modal_server.unanswered.clear()
    again = runner.retry("late")
    modal_server.release()

    assert (result.status, kind_of(result)) == ("failed", "submission")
    assert runner.get_result(again).status == "completed"
    own = [one for name, one in modal_server.world.inputs.items() if name not in of_others]
    assert len(own) == 2
    wait_until(lambda: all(one.result for one in own))
    assert counted.read_text() == "ran\n"


def test_a_call_whose_cancellation_is_lost_ends_unused(
    make: Callable[..., ModalRunner],
    modal_server: "StandIn",
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    runner = make()
    runner.deploy()
    modal_server.scheduler.hold = True
    counted = tmp_path / "counted"
    of_others = set(modal_server.world.inputs)
    spawned = runner.spawn_experiment(config("count_runs", file=str(counted)))
    # As Modal's SDK does while it unpacks the input of the call.
    monkeypatch.setattr(calls.ModalCalls, "cancel", lambda _calls, _ids: None)

    assert runner.cancel(spawned.run_id)
    modal_server.release()

    (own,) = [one for name, one in modal_server.world.inputs.items() if name not in of_others]
    wait_until(lambda: own.result is not None)
    assert kind_of(runner.get_result(spawned)) == "cancelled"
    assert not counted.exists()


def test_a_silent_modal_says_nothing_about_a_run(
    make: Callable[..., ModalRunner], modal_server: "StandIn", monkeypatch: pytest.MonkeyPatch
) -> None:
    runner = make()
    modal_server.scheduler.hold = True
    spawned = runner.spawn_experiment(config("train", size_bytes=1))
    monkeypatch.setattr(calls, "ASK_WITHIN_S", 1.0)
    modal_server.unanswered.add("FunctionGetOutputs")
    began = time.monotonic()
    (state,) = runner.poll([spawned.run_id])
    assert (state.status, state.final, state.answered) == ("pending", False, False)
    assert time.monotonic() - began < 20

    modal_server.unanswered.clear()
    modal_server.release()

    assert runner.get_result(spawned).status == "completed"


@pytest.mark.parametrize(
    "status",
    [Status.PERMISSION_DENIED, Status.FAILED_PRECONDITION, Status.UNIMPLEMENTED, Status.DATA_LOSS],
    ids=lambda status: status.name,
)
def test_a_refused_question_says_nothing_about_a_run(
    make: Callable[..., ModalRunner],
    modal_server: "StandIn",
    status: Status,
    caplog: pytest.LogCaptureFixture,
) -> None:
    runner = make(lost_grace_s=0.001)
    modal_server.scheduler.hold = True
    spawned = runner.spawn_experiment(config("train", size_bytes=1))
    modal_server.refused["FunctionGetOutputs"] = status
    for _look in range(2):
        (state,) = runner.poll([spawned.run_id])
        assert (state.status, state.final, state.answered) == ("pending", False, False)
    assert "refused by the stand-in" in caplog.text

    modal_server.refused.clear()
    modal_server.release()

    assert runner.get_result(spawned).status == "completed"


def test_a_refused_question_about_an_unanswered_submission_ends_nothing(
    make: Callable[..., ModalRunner], modal_server: "StandIn"
) -> None:
    runner = make(submit_timeout_s=3.0)
    submit_unanswered(runner, modal_server, run_id="asked")
    modal_server.refused["DictGet"] = Status.PERMISSION_DENIED

    assert not runner.poll(["asked"])[0].final
    modal_server.refused.clear()
    modal_server.release()

    assert runner.get_result("asked").status == "completed"


def test_a_run_of_another_workspace_is_left_as_it_is(
    make: Callable[..., ModalRunner],
    modal_server: "StandIn",
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    modal_server.scheduler.hold = True
    spawned = make(lost_grace_s=0.001).spawn_experiment(config("train", size_bytes=1))
    # Another account is active: it has neither the call nor the claims.
    monkeypatch.setattr(modal_server.world, "workspace", "another")
    call = modal_server.world.calls.pop(str(spawned.job_id))
    other = make(lost_grace_s=0.001)
    for _look in range(2):
        (state,) = other.poll([spawned.run_id])
        assert (state.status, state.final, state.is_elsewhere) == ("pending", False, True)
    assert "modal profile activate" in state.note
    with pytest.raises(BackendError, match=r"nothing was done.*modal profile activate"):
        other.cancel(spawned.run_id)
    assert not (tmp_path / "runs" / spawned.run_id / "1" / "cancel.json").exists()

    modal_server.world.calls[call.call_id] = call
    monkeypatch.setattr(modal_server.world, "workspace", "")
    modal_server.release()

    assert make().get_result(spawned).status == "completed"


def test_an_unanswered_submission_is_not_looked_up_in_another_workspace(
    make: Callable[..., ModalRunner], modal_server: "StandIn", monkeypatch: pytest.MonkeyPatch
) -> None:
    submit_unanswered(make(submit_timeout_s=3.0), modal_server, run_id="late")
    monkeypatch.setattr(runner_module, "SHOWS_ITSELF_WITHIN_S", 0.0)
    monkeypatch.setattr(modal_server.world, "workspace", "another")
    (state,) = make().poll(["late"])
    assert (state.status, state.final, state.is_elsewhere) == ("pending", False, True)
    with pytest.raises(BackendError, match="modal profile activate"):
        make().cancel("late")


def test_a_call_that_its_own_workspace_does_not_know_is_lost(
    make: Callable[..., ModalRunner], modal_server: "StandIn"
) -> None:
    runner = make(lost_grace_s=0.001)
    modal_server.scheduler.hold = True
    spawned = runner.spawn_experiment(config("train", size_bytes=1))
    modal_server.world.calls.pop(str(spawned.job_id))

    assert kind_of(runner.get_result(spawned)) == "lost"


def test_a_container_that_cannot_claim_its_run_fails_it_with_the_reason(
    make: Callable[..., ModalRunner], modal_server: "StandIn"
) -> None:
    runner = make()
    modal_server.scheduler.hold = True
    spawned = runner.spawn_experiment(config("train", size_bytes=1))
    modal_server.refused["DictUpdate"] = Status.PERMISSION_DENIED
    modal_server.release()

    result = runner.get_result(spawned)

    assert kind_of(result) == "node_fail"
    assert "in the container: PermissionDeniedError" in str(result.error_message)


def test_an_error_that_nobody_knows_is_an_end_only_if_it_stays(
    make: Callable[..., ModalRunner], modal_server: "StandIn", monkeypatch: pytest.MonkeyPatch
) -> None:
    runner = make(lost_grace_s=600.0)
    modal_server.scheduler.hold = True
    spawned = runner.spawn_experiment(config("train", size_bytes=1))
    with monkeypatch.context() as patch:
        patch.setattr("modal.FunctionCall.get", _Failing())
        assert not runner.poll([spawned.run_id])[0].final
    modal_server.release()

    assert runner.get_result(spawned).status == "completed"


class _Failing:
    async def aio(self, timeout: float) -> None:
        raise RuntimeError("Event loop is closed")


def test_a_submission_that_ends_in_an_unforeseen_way_may_have_been_taken(
    make: Callable[..., ModalRunner], modal_server: "StandIn", monkeypatch: pytest.MonkeyPatch
) -> None:
    runner = make()
    runner.deploy()
    lost_stream = AttributeError("'NoneType' object has no attribute '_write_appdata'")
    asked = "modal._functions._Invocation.create"

    async def take_and_fail(*_arguments: Any, **_named: Any) -> None:
        raise lost_stream

    with monkeypatch.context() as patch:
        patch.setattr(asked, take_and_fail)
        with pytest.raises(SubmissionUnknownError, match="Do not submit it again"):
            runner.spawn_experiment(config("train", size_bytes=1), run_id="unforeseen")

    (state,) = runner.poll(["unforeseen"])
    assert (state.status, state.final) == ("pending", False)


@pytest.mark.parametrize(
    ("status", "error"),
    [
        (Status.UNAUTHENTICATED, BackendUnavailableError),
        (Status.INVALID_ARGUMENT, SubmissionError),
        (Status.PERMISSION_DENIED, SubmissionError),
    ],
)
def test_a_refusal_records_nothing(
    make: Callable[..., ModalRunner],
    modal_server: "StandIn",
    tmp_path: Path,
    status: Status,
    error: type[Exception],
) -> None:
    modal_server.refused["FunctionGet"] = status
    with pytest.raises(error, match="could not be deployed"):
        make().spawn_experiment(config("train", size_bytes=1), run_id="refused")
    assert not (tmp_path / "runs" / "refused").exists()


def test_an_app_is_deployed_once_for_an_image_and_again_for_another(
    make: Callable[..., ModalRunner], modal_server: "StandIn"
) -> None:
    first = make(app_name="once").deploy()
    published = modal_server.asked["AppPublish"]

    assert make(app_name="once", gpu_type="T4").deploy() == first
    assert modal_server.asked["AppPublish"] == published
    assert make(app_name="once", apt_packages=("git",)).deploy() != first
    assert modal_server.asked["AppPublish"] == published + 1


def test_an_image_has_the_versions_that_are_installed_here(
    make: Callable[..., ModalRunner], modal_server: "StandIn"
) -> None:
    import omegaconf

    make(app_name="versions", requirements=("scipy==1.16.0",), apt_packages=("git",)).deploy()

    commands = " ".join(
        command
        for image in modal_server.world.images.values()
        for command in image.dockerfile_commands
    )
    assert f"omegaconf=={omegaconf.__version__}" in commands
    assert "scipy==1.16.0" in commands
    assert "git" in commands


def test_what_came_back_is_written_once(make: Callable[..., ModalRunner], tmp_path: Path) -> None:
    runner = make()
    result = runner.run_experiment(config("train", size_bytes=1))
    assert result.output_path is not None
    log = Path(result.output_path).read_text()
    (tmp_path / "runs" / result.run_id / "1" / "verdict.json").unlink()

    again = make().get_result(result.run_id)

    assert dataclasses.replace(again, output_path=None) == dataclasses.replace(
        result, output_path=None
    )
    assert Path(result.output_path).read_text() == log


def test_a_dry_run_asks_nobody(make: Callable[..., ModalRunner], modal_server: "StandIn") -> None:
    from tmgg.experiment_utils.cloud import TaskRequest

    asked = modal_server.asked.total()
    shown = make(gpu_type="H100").render_dry_run(TaskRequest(config=config("train"), run_id="r"))
    assert modal_server.asked.total() == asked
    assert "tests.modal.lab:train" in shown
    assert "H100" in shown


def test_the_record_says_what_was_asked_for(
    make: Callable[..., ModalRunner], tmp_path: Path
) -> None:
    spawned = make(memory_mb=256).spawn_experiment(config("train", size_bytes=1), gpu_type="L4")
    record = json.loads((tmp_path / "runs" / spawned.run_id / "run.json").read_text())
    assert (record["settings"]["gpu_type"], record["settings"]["memory_mb"]) == ("L4", 256)
    assert spawned.job_id is not None
    assert spawned.job_id.startswith("fc-")
