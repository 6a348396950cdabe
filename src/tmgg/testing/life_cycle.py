"""One run, from spawn to its end."""

import secrets

import pytest

from tmgg.errors import ConfigError, RunExistsError, TaskError, UnknownRunError
from tmgg.experiment_utils.cloud import CloudRunner
from tmgg.experiment_utils.cloud.runs_on_record.requests import new_run_id
from tmgg.testing.backend import BackendUnderTest, config

STATUSES = ("pending", "running", "completed", "failed")
LONG_S = 300


class LifeCycleTests:
    """Spawn, status, result, cancel and resume."""

    def test_a_run_goes_from_spawn_to_its_result(
        self, runner: CloudRunner, backend: BackendUnderTest
    ) -> None:
        given = config("square", x=3)
        spawned = runner.spawn_experiment(given)
        assert spawned.backend == runner.backend == backend.name

        seen: list[str] = []
        while not seen or seen[-1] in ("pending", "running"):
            seen.append(runner.get_status(spawned.run_id))
        assert [STATUSES.index(status) for status in seen] == sorted(map(STATUSES.index, seen))

        result = runner.get_result(spawned)
        assert (result.run_id, result.status) == (spawned.run_id, "completed")
        assert (result.metrics, result.config) == ({"square": 9}, given)
        assert (result.error_message, result.failure, result.attempts) == (None, None, 1)
        assert (result.duration_seconds or 0) > 0
        assert runner.get_result(spawned.run_id, given) == result
        assert runner.get_status(spawned) == runner.get_status(spawned.run_id) == "completed"

    def test_a_run_id_may_be_chosen(self, runner: CloudRunner) -> None:
        run_id = new_run_id()
        spawned = runner.spawn_experiment(config("number"), run_id=run_id)
        assert spawned.run_id == run_id
        with pytest.raises(RunExistsError, match=run_id):
            runner.spawn_experiment(config("number"), run_id=run_id)
        again = runner.spawn_experiment(config("number"), run_id=run_id, resume=True)
        assert again.run_id == run_id
        result = runner.get_result(again)
        assert (result.metrics, result.attempts) == ({"value": 0.5}, 1)
        with pytest.raises(RunExistsError, match=run_id):
            runner.run_sweep([config("number"), config("number", run_id=run_id)])

    def test_a_failed_run_is_submitted_again_when_it_is_resumed(self, runner: CloudRunner) -> None:
        first = runner.run_experiment(config("fail_at_first"))
        assert (first.status, first.attempts) == ("failed", 1)
        second = runner.run_experiment(config("fail_at_first"), run_id=first.run_id, resume=True)
        assert (second.run_id, second.status) == (first.run_id, "completed")
        assert (second.metrics, second.attempts) == ({"attempt": 2}, 2)

    def test_a_run_cancelled_while_it_runs_has_failed(
        self, runner: CloudRunner, backend: BackendUnderTest
    ) -> None:
        run_id = runner.spawn_experiment(config("hold", hold_s=LONG_S)).run_id
        backend.wait_until(lambda: runner.get_status(run_id) == "running", "the run to begin")
        assert runner.cancel(run_id) is True
        result = runner.get_result(run_id)
        assert result.failure is not None
        assert (result.status, result.failure.kind, result.metrics) == ("failed", "cancelled", {})
        assert runner.get_status(run_id) == "failed"
        assert runner.cancel(run_id) is False

    def test_a_run_cancelled_at_once_has_failed(self, runner: CloudRunner) -> None:
        spawned = runner.spawn_experiment(config("hold", hold_s=LONG_S))
        assert runner.cancel(spawned.run_id) is True
        result = runner.get_result(spawned)
        assert result.failure is not None
        assert (result.status, result.failure.kind, result.metrics) == ("failed", "cancelled", {})

    def test_a_run_that_has_ended_cannot_be_cancelled(self, runner: CloudRunner) -> None:
        result = runner.run_experiment(config("nothing"))
        assert (result.status, result.metrics) == ("completed", {})
        assert runner.cancel(result.run_id) is False
        assert runner.get_result(result.run_id).status == "completed"

    @pytest.mark.parametrize("ask", ["get_status", "get_result", "cancel", "collect"])
    def test_a_run_that_nobody_asked_for_is_unknown(self, runner: CloudRunner, ask: str) -> None:
        unknown = f"unknown-{secrets.token_hex(4)}"
        with pytest.raises(UnknownRunError, match=unknown):
            getattr(runner, ask)(unknown)

    def test_what_cannot_be_run_is_refused_before_anything_runs(self, runner: CloudRunner) -> None:
        for bad_id in ("a/b", "", "../x"):
            with pytest.raises(ConfigError, match="run_id"):
                runner.spawn_experiment(config("number"), run_id=bad_id)
        with pytest.raises(ConfigError, match="timeout_seconds"):
            runner.spawn_experiment(config("number"), timeout_seconds=0)
        with pytest.raises(TaskError, match="_target_"):
            runner.spawn_experiment({"experiment": {"_target_": "not a name"}})
        with pytest.raises(TaskError, match="beta"):
            runner.spawn_experiment(config("number", beta="???"))
