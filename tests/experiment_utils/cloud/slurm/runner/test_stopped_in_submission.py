"""A launcher that was stopped while it submitted: others have given its submission up meanwhile."""

import json
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.experiment_utils.cloud.slurm.runner.conftest import LAB, PLAIN, config
from tests.fakes.clock import FakeClock
from tests.fakes.slurm.fake import FakeSlurm
from tmgg.errors import (
    RefusedError,
    RemovedRunError,
    RunExistsError,
    SubmissionError,
    SubmissionUnknownError,
    SubmitLimitError,
)
from tmgg.experiment_utils.cloud import SlurmConfig, SlurmRunner
from tmgg.experiment_utils.cloud.runs import SweepMode, TaskRequest
from tmgg.experiment_utils.cloud.slurm.client import SlurmClient
from tmgg.experiment_utils.files import leases
from tmgg.experiment_utils.run_folder.paths import RunPaths
from tmgg.experiment_utils.run_folder.removal import remove_run

SWEEP = "20260101-120000-0123abcd"
RUNS = [f"{SWEEP}-0", f"{SWEEP}-1"]
PACKED = SlurmConfig(nodes=1)  # a packed sweep needs Ray; these jobs do not begin
LOST = SubmissionUnknownError("sbatch did not answer within 90 s")
REFUSED = RefusedError("sbatch: error: Invalid qos specification")
FULL = SubmitLimitError("sbatch: error: Job violates accounting/QOS policy")
ANSWERS = pytest.mark.parametrize("answer", [LOST, REFUSED, FULL], ids=["lost", "refused", "full"])
MODES = pytest.mark.parametrize("mode", ["separate", "array", "packed"])


class StoppedClient(SlurmClient):
    """Others act during its first sbatch, which then ends with `answer`; None means a job."""

    def __init__(self, others: Callable[[], object], answer: SubmissionError | None) -> None:
        super().__init__()
        self._others: Callable[[], object] | None = others
        self._answer = answer

    def submit(self, script: Path, *, comment: str, cwd: Path) -> str:
        others, self._others = self._others, None
        if others is not None:
            give_up_leases(cwd)
            others()
            if self._answer is not None:
                raise self._answer
        return super().submit(script, comment=comment, cwd=cwd)


def give_up_leases(folder: Path) -> None:
    """Their launcher is in a container, and was stopped for longer than its leases last."""
    for intent in (folder / "slurm_outputs").rglob("intent.json"):
        intent.write_text(json.dumps(json.loads(intent.read_text()) | {"scope": "a container"}))
        os.utime(intent, (1000, 1000))


def stopped(
    others: Callable[[], object], answer: SubmissionError | None, mode: SweepMode = "separate"
) -> SlurmRunner:
    settings = PACKED if mode == "packed" else PLAIN
    return SlurmRunner(settings, client=StoppedClient(others, answer), clock=FakeClock())


def requests(count: int = 2) -> list[TaskRequest]:
    return [
        TaskRequest(config=config(word=f"w{number}"), run_id=run_id)
        for number, run_id in enumerate(RUNS[:count])
    ]


@pytest.fixture
def other(slurm: FakeSlurm, folder: Path, monkeypatch: pytest.MonkeyPatch) -> SlurmRunner:
    # The stopped launcher is in this process. While it is stopped, it renews no lease.
    monkeypatch.setattr(leases, "renew", lambda _intent: None)
    (folder / "lab.py").write_text(LAB)
    return SlurmRunner(PLAIN)


def jobs_of(runner: SlurmRunner) -> list[tuple[str, str | None]]:
    return [(state.status, state.job_id) for state in runner.poll(RUNS)]


@ANSWERS
@MODES
def test_it_follows_the_runs_that_another_has_resumed(
    other: SlurmRunner, slurm: FakeSlurm, mode: SweepMode, answer: SubmissionError
) -> None:
    def resume() -> None:
        settings = PACKED if mode == "packed" else PLAIN
        SlurmRunner(settings).spawn_sweep(requests(), mode=mode, resume=True)

    runner = stopped(resume, answer, mode)
    assert runner.spawn_sweep(requests(), mode=mode).refused == {}
    assert [state.status for state in other.poll(RUNS)] == ["pending", "pending"]
    assert jobs_of(runner) == jobs_of(other)
    assert len(slurm.submissions()) == (2 if mode == "separate" else 1)


@ANSWERS
def test_it_follows_runs_that_began_in_anothers_array(
    other: SlurmRunner, slurm: FakeSlurm, answer: SubmissionError
) -> None:
    slurm.configure(run_jobs=True)

    def resume() -> None:
        other.run_sweep(requests(1), mode="array", resume=True)

    (result,) = stopped(resume, answer).run_sweep(requests(1), mode="separate")
    assert (result.status, result.error_message) == ("completed", None)
    assert len(slurm.jobs) == 1


@ANSWERS
def test_it_follows_a_single_run_that_another_has_retried(
    other: SlurmRunner, slurm: FakeSlurm, answer: SubmissionError
) -> None:
    runner = stopped(lambda: other.retry("run"), answer)
    spawned = runner.spawn_experiment(config(), run_id="run")
    assert spawned.job_id == slurm.only_job["id"]
    assert runner.poll(["run"]) == other.poll(["run"])


@ANSWERS
def test_its_call_has_the_value_of_the_run_that_another_has_retried(
    other: SlurmRunner, slurm: FakeSlurm, answer: SubmissionError
) -> None:
    slurm.configure(run_jobs=True)

    def retry() -> None:
        (intent,) = other.output_dir.glob("*/1/intent.json")
        other.retry(intent.parents[1].name)

    assert stopped(retry, answer).submit(abs, -7).result(timeout=60) == 7


@ANSWERS
def test_its_retry_says_that_another_has_acted_on_the_run(
    other: SlurmRunner, slurm: FakeSlurm, answer: SubmissionError
) -> None:
    slurm.configure(run_jobs=True)
    other.run_experiment(config("bad"), run_id="run")
    runner = stopped(lambda: other.retry("run"), answer)
    with pytest.raises(RunExistsError, match="another process has cancelled 'run' or submitted it"):
        runner.retry("run")
    other.get_result("run")
    assert RunPaths(other.output_dir, "run").submission_numbers() == [1, 2, 3]


@ANSWERS
@MODES
def test_a_run_that_another_has_cancelled_is_cancelled(
    other: SlurmRunner, slurm: FakeSlurm, mode: SweepMode, answer: SubmissionError
) -> None:
    runner = stopped(lambda: other.cancel(RUNS[0]), answer, mode)
    results = runner.run_sweep(requests(1), mode=mode)
    assert [result.failure and result.failure.kind for result in results] == ["cancelled"]
    assert slurm.jobs == {}


@ANSWERS
def test_a_single_run_that_another_has_cancelled_is_cancelled(
    other: SlurmRunner, slurm: FakeSlurm, answer: SubmissionError
) -> None:
    runner = stopped(lambda: other.cancel("run"), answer)
    result = runner.run_experiment(config(), run_id="run")
    assert result.failure is not None
    assert result.failure.kind == "cancelled"
    assert slurm.jobs == {}


@MODES
def test_it_submits_the_runs_that_others_gave_up_and_did_not_submit(
    other: SlurmRunner, slurm: FakeSlurm, mode: SweepMode
) -> None:
    def settle() -> None:
        for run_id in RUNS:
            other.runs.canceller.settle(run_id)  # type: ignore[attr-defined]

    runner = stopped(settle, LOST, mode)
    assert runner.spawn_sweep(requests(), mode=mode).refused == {}
    assert [state.status for state in other.poll(RUNS)] == ["pending", "pending"]
    assert len(slurm.jobs) == (2 if mode == "separate" else 1)


@ANSWERS
def test_a_single_run_that_was_removed_is_said_to_be_removed(
    other: SlurmRunner, slurm: FakeSlurm, answer: SubmissionError
) -> None:
    def remove() -> None:
        other.runs.canceller.settle("run")  # type: ignore[attr-defined]
        paths = RunPaths(other.output_dir, "run")
        assert remove_run(paths, with_output=True, may_go=lambda: True)

    with pytest.raises(RemovedRunError, match="run run was removed in the meantime"):
        stopped(remove, answer).spawn_experiment(config(), run_id="run")
    assert slurm.jobs == {}


def test_a_job_for_a_submission_that_was_given_up_is_withdrawn(
    other: SlurmRunner, slurm: FakeSlurm
) -> None:
    runner = stopped(lambda: other.retry("run"), None)
    runner.spawn_experiment(config(), run_id="run")
    assert sorted(job["state"] for job in slurm.jobs.values()) == ["CANCELLED", "PENDING"]
    assert runner.poll(["run"])[0].status == "pending"


@pytest.mark.parametrize("resume", [False, True])
@pytest.mark.parametrize("mode", ["separate", "array"])
def test_waiting_runs_that_another_has_cancelled_are_not_submitted(
    other: SlurmRunner, slurm: FakeSlurm, mode: SweepMode, resume: bool
) -> None:
    runner = stopped(lambda: other.cancel(RUNS[1]), FULL)
    sweep = runner.spawn_sweep(requests(), mode=mode, resume=resume)
    assert sweep.refused == {}
    assert len(slurm.jobs) == 1
    kinds = [state.failure and state.failure.kind for state in runner.poll(RUNS)]
    assert kinds == [None, "cancelled"]
