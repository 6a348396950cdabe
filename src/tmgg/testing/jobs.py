"""Tests of a run's job in its backend."""

import time

from tmgg.experiment_utils.cloud import CloudRunner
from tmgg.testing.backend import BackendUnderTest, backend_of, config, phase_of
from tmgg.testing.life_cycle import LONG_S

GRACE_MARGIN_S = 3.0
POLL_INTERVAL_S = 0.5


class JobTests:
    """The job's id, its phase in the backend, and its end on request."""

    def test_a_job_claims_its_run_by_the_id_that_the_backend_gave_it(
        self, runner: CloudRunner
    ) -> None:
        spawned = runner.spawn_experiment(config("own_job"))
        result = runner.get_result(spawned)
        assert result.status == "completed", result.error_message
        assert result.checkpoint_path == spawned.job_id, (
            "the job must run `python -m tmgg.experiment_utils.supervisor.entry` with the id that "
            "start() returns; see docs/backends.md"
        )
        assert runner.poll([spawned.run_id])[0].job_id == spawned.job_id

    def test_a_run_that_goes_on_for_longer_than_the_grace_stays_running(
        self, runner: CloudRunner, backend: BackendUnderTest
    ) -> None:
        """The grace is how long TMGG waits for a job that the backend does not know."""
        spawned = runner.spawn_experiment(config("hold", hold_s=LONG_S))
        run_id = spawned.run_id
        backend.wait_until(lambda: runner.get_status(run_id) == "running", "the run to begin")
        backend.wait_until(lambda: phase_of(runner, run_id) == "running", "the backend to say so")
        enough_s = min(runner.runs.traits.grace_s, backend.patience_s / 2) + GRACE_MARGIN_S
        deadline = time.monotonic() + enough_s
        while time.monotonic() < deadline:
            state = runner.poll([run_id])[0]
            assert (state.status, state.final) == ("running", False), state
            assert phase_of(runner, run_id) == "running"
            time.sleep(POLL_INTERVAL_S)
        assert runner.cancel(run_id) is True
        assert runner.get_result(spawned).status == "failed"

    def test_a_job_ends_when_the_backend_is_asked_to_end_it(
        self, runner: CloudRunner, backend: BackendUnderTest
    ) -> None:
        """Without the cancellation on record, which a waiting or blocked job does not see."""
        run_id = runner.spawn_experiment(config("hold", hold_s=LONG_S)).run_id
        backend.wait_until(lambda: runner.get_status(run_id) == "running", "the run to begin")
        (state,) = runner.poll([run_id])
        assert state.job_id is not None
        try:
            backend_of(runner).cancel_jobs([state.job_id])
            backend.wait_until(lambda: runner.poll([run_id])[0].final, "cancel_jobs to end the job")
        finally:
            runner.cancel(run_id)
        assert runner.get_status(run_id) == "failed"
