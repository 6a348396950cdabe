"""A job that claims its run by a name that the backend does not know goes on all the same."""

import os
import signal
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from tmgg.errors import QueryError
from tmgg.experiment_utils.cloud import CloudRunner, LocalConfig, RunState
from tmgg.experiment_utils.cloud.judging.verdict import JobView
from tmgg.experiment_utils.cloud.local.runner import LocalBackend, view_process
from tmgg.experiment_utils.cloud.runs_on_record.recorded import RecordedRuns
from tmgg.experiment_utils.run_folder.paths import RunPaths, SubmissionPaths
from tmgg.experiment_utils.run_folder.registry import RunRecord, note_job

HOLD = {"experiment": {"_target_": "tmgg.testing.experiments:hold"}, "hold_s": 120}


class QueueBackend(LocalBackend):
    """A scheduler's ids; its job is the supervisor of local runs, which is told no id."""

    def __init__(self, output_dir: Path) -> None:
        super().__init__(LocalConfig(output_dir=str(output_dir)), name="queue")
        self.traits = replace(self.traits, grace_s=0.0)
        self.answers = True
        self.asked_to_end: list[str] = []

    def start(self, submission: SubmissionPaths, record: RunRecord) -> str:
        job_id = f"q-{super().start(submission, record)}"
        note_job(submission, job_id)
        return job_id

    def view_jobs(self, job_ids: Sequence[str]) -> Mapping[str, JobView | None]:
        return {job_id: self._view(job_id) for job_id in job_ids}

    def _view(self, job_id: str) -> JobView | None:
        if not job_id.startswith("q-"):
            return JobView(phase="unknown")
        if not self.answers:
            raise QueryError("the queue is away")
        return view_process(job_id.removeprefix("q-"))

    def cancel_jobs(self, job_ids: Sequence[str]) -> None:
        self.asked_to_end.extend(job_ids)
        super().cancel_jobs([job_id.removeprefix("q-") for job_id in job_ids])


@pytest.fixture
def backend(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> QueueBackend:
    monkeypatch.setenv("TMGG_HOME", str(tmp_path / "home"))
    return QueueBackend(tmp_path / "runs")


@pytest.fixture
def run(backend: QueueBackend) -> Iterator[tuple[CloudRunner, str, str]]:
    """A runner, and a run with its job that has claimed it as a process."""
    runner = CloudRunner(RecordedRuns(backend))
    spawned = runner.spawn_experiment(HOLD)
    owner = RunPaths(runner.output_dir, spawned.run_id).submission(1).owner
    wait_for(owner.exists)
    yield runner, spawned.run_id, str(spawned.job_id)
    runner.cancel(spawned.run_id)
    wait_for(lambda: runner.poll([spawned.run_id])[0].final)


def wait_for(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def states(runner: CloudRunner, run_id: str) -> list[RunState]:
    return [runner.poll([run_id])[0] for _ in range(3)]


def test_it_is_running_for_as_long_as_the_backend_says_so(
    run: tuple[CloudRunner, str, str],
) -> None:
    runner, run_id, job_id = run

    found = states(runner, run_id)

    assert {(state.status, state.final, state.job_id) for state in found} == {
        ("running", False, job_id)
    }


def test_nothing_is_concluded_while_the_backend_does_not_answer(
    run: tuple[CloudRunner, str, str], backend: QueueBackend
) -> None:
    runner, run_id, _job_id = run
    backend.answers = False

    found = states(runner, run_id)

    assert {(state.status, state.final, state.answered) for state in found} == {
        ("running", False, False)
    }
    backend.answers = True


def test_the_backend_is_asked_to_end_the_job_by_its_own_id(
    run: tuple[CloudRunner, str, str], backend: QueueBackend
) -> None:
    runner, run_id, job_id = run

    assert runner.cancel(run_id) is True

    assert backend.asked_to_end == [job_id]
    failure = runner.get_result(run_id).failure
    assert failure is not None
    assert failure.kind == "cancelled"


def test_a_job_whose_process_was_killed_has_ended(run: tuple[CloudRunner, str, str]) -> None:
    runner, run_id, job_id = run

    os.kill(int(job_id.removeprefix("q-").partition(".")[0]), signal.SIGKILL)

    failure = runner.get_result(run_id).failure
    assert failure is not None
    assert failure.kind == "lost"
