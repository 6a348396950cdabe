"""Many runs at once."""

import threading
from collections.abc import Sequence

import pytest

from tmgg.errors import ConfigError
from tmgg.experiment_utils.cloud import CloudRunner, ExperimentResult, RunState
from tmgg.experiment_utils.cloud.runs_on_record.requests import new_run_id
from tmgg.testing.backend import BackendUnderTest, config, request

PARALLELISM = 2
HOLD_S = 1.0


def most_at_once(results: Sequence[ExperimentResult]) -> int:
    """How many of the `hold` runs were under way at the same time."""
    begun = [(result.metrics["began"], 1) for result in results]
    ended = [(result.metrics["ended"], -1) for result in results]
    count, most = 0, 0
    for _moment, step in sorted([*begun, *ended]):
        count += step
        most = max(most, count)
    return most


class SweepTests:
    """`run_sweep`: order, mixed outcomes, how many at once."""

    def test_a_sweep_has_one_result_for_each_config_in_order(self, runner: CloudRunner) -> None:
        prefix = new_run_id()
        updates: list[Sequence[RunState]] = []
        requests = [
            request("square", run_id=f"{prefix}-a", x=1),
            request("fail", run_id=f"{prefix}-b"),
            request("square", run_id=f"{prefix}-c", x=3),
        ]
        results = runner.run_sweep(requests, parallelism=3, on_update=updates.append)
        assert [result.run_id for result in results] == [each.run_id for each in requests]
        assert [result.status for result in results] == ["completed", "failed", "completed"]
        assert [result.metrics for result in results] == [{"square": 1}, {}, {"square": 9}]
        assert {state.run_id for states in updates for state in states} == {
            each.run_id for each in requests
        }
        again = runner.run_sweep(requests[::2], resume=True)
        assert [result.metrics for result in again] == [{"square": 1}, {"square": 9}]
        assert [result.attempts for result in again] == [1, 1]

    def test_no_more_runs_than_allowed_are_under_way(self, runner: CloudRunner) -> None:
        sweep = [config("hold", hold_s=HOLD_S, number=number) for number in range(5)]
        results = runner.run_sweep(sweep, parallelism=PARALLELISM)
        assert [result.status for result in results] == ["completed"] * 5
        assert most_at_once(results) <= PARALLELISM

    def test_a_sweep_that_cannot_be_is_refused_before_anything_runs(
        self, runner: CloudRunner
    ) -> None:
        assert runner.run_sweep([]) == []
        with pytest.raises(ConfigError, match="parallelism"):
            runner.run_sweep([config("number")], parallelism=0)
        run_id = new_run_id()
        with pytest.raises(ConfigError, match=run_id):
            runner.run_sweep([request("number", run_id=run_id)] * 2)
        assert runner.run_experiment(config("number"), run_id=run_id).status == "completed"

    def test_two_runners_at_once_keep_their_runs_apart(self, backend: BackendUnderTest) -> None:
        found: dict[int, list[ExperimentResult]] = {}

        def sweep(first: int) -> None:
            sweep = [config("square", x=first), config("square", x=first + 1)]
            found[first] = backend.make_runner().run_sweep(sweep, parallelism=2)

        threads = [threading.Thread(target=sweep, args=(first,)) for first in (1, 11)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        for first in (1, 11):
            squares = [result.metrics for result in found[first]]
            assert squares == [{"square": first**2}, {"square": (first + 1) ** 2}]

    def test_runs_are_polled_together_in_the_order_asked(self, runner: CloudRunner) -> None:
        ids = [runner.spawn_experiment(config("square", x=x)).run_id for x in (1, 2, 3)]
        states = runner.poll(ids[::-1])
        assert [state.run_id for state in states] == ids[::-1]
        assert [runner.get_result(run_id).metrics["square"] for run_id in ids] == [1, 4, 9]
        assert all(state.final for state in runner.poll(ids))
