"""Runs go on when the process that submitted them ends, and other processes can use them."""

import dataclasses
import gc

from tmgg.experiment_utils.cloud import CloudRunner
from tmgg.experiment_utils.cloud.runs_on_record.requests import new_run_id
from tmgg.testing.backend import BackendUnderTest, config
from tmgg.testing.life_cycle import LONG_S


class ProcessTests:
    """Tests that no state of a run is kept in a runner or a process."""

    def test_a_run_is_collected_by_another_process_than_the_one_that_asked_for_it(
        self, runner: CloudRunner, backend: BackendUnderTest
    ) -> None:
        run_id = new_run_id()
        given = config("hold", hold_s=3)
        assert backend.in_another_process("spawn", given, run_id) == run_id
        assert runner.get_status(run_id) in ("pending", "running", "completed")
        result = runner.get_result(run_id)
        assert (result.status, result.config) == ("completed", given)
        assert backend.in_another_process("result", run_id) == dataclasses.asdict(result)
        assert backend.in_another_process("status", run_id) == "completed"

    def test_a_run_is_cancelled_by_another_process(
        self, runner: CloudRunner, backend: BackendUnderTest
    ) -> None:
        run_id = runner.spawn_experiment(config("hold", hold_s=LONG_S)).run_id
        assert backend.in_another_process("cancel", run_id) is True
        result = runner.get_result(run_id)
        assert result.failure is not None
        assert result.failure.kind == "cancelled"

    def test_a_runner_may_be_thrown_away_and_made_again(self, backend: BackendUnderTest) -> None:
        run_id = backend.make_runner().spawn_experiment(config("square", x=4)).run_id
        gc.collect()
        result = backend.make_runner().get_result(run_id)
        assert (result.status, result.metrics) == ("completed", {"square": 16})
        assert backend.make_runner().get_result(run_id) == result
