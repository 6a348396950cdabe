"""The calls of one `map`, as they are submitted."""

import itertools
import math
from pathlib import Path

import pytest

from tests.fakes.clock import FakeClock
from tests.fakes.scripted_runner import Script, ScriptedRunner
from tmgg.errors import SubmissionError
from tmgg.experiment_utils.calls.packing import CallPacker
from tmgg.experiment_utils.cloud.futures.call_group import CallGroup
from tmgg.experiment_utils.cloud.runs import TaskRequest
from tmgg.experiment_utils.cloud.sweep.plan import SweepOptions
from tmgg.experiment_utils.cloud.sweep.recorded_plan import record_sweep

RUN_IDS = ["s-0", "s-1", "s-2"]


@pytest.fixture
def runner(tmp_path: Path) -> ScriptedRunner:
    return ScriptedRunner(FakeClock(), tmp_path)


def group_of(runner: ScriptedRunner, *, parallelism: int) -> CallGroup:
    call = CallPacker(math.sqrt).pack((4,), {})
    requests = [
        TaskRequest(config=call.config(), target="math:sqrt", run_id=run_id) for run_id in RUN_IDS
    ]
    options = SweepOptions(mode="separate", parallelism=parallelism)
    return CallGroup(runner, record_sweep(runner, requests, options))


def test_calls_wait_while_as_many_are_under_way_as_are_asked_for(runner: ScriptedRunner) -> None:
    group = group_of(runner, parallelism=2)
    assert list(group.dispatch()) == RUN_IDS[:2]
    assert (group.waiting_count, group.count) == (1, 3)
    group.futures["s-0"].succeed(2)
    assert list(group.dispatch()) == RUN_IDS[2:]
    assert not group.is_waiting
    assert runner.leases == []


def test_a_call_that_was_not_submitted_after_all_has_its_turn_after_the_others(
    runner: ScriptedRunner,
) -> None:
    group = group_of(runner, parallelism=2)
    group.dispatch()
    group.wait_again("s-0")
    group.futures["s-1"].succeed(2)
    assert list(group.dispatch()) == ["s-2", "s-0"]


def test_refused_calls_are_reported_though_nobody_asks_their_futures(
    runner: ScriptedRunner, caplog: pytest.LogCaptureFixture
) -> None:
    error = SubmissionError("no such partition")
    runner.scripts = dict(zip(RUN_IDS, itertools.repeat(Script(spawn_error=error)), strict=False))
    group = group_of(runner, parallelism=2)
    assert group.dispatch() == {}
    assert caplog.messages == [
        f"3 of 3 calls of sweep {group.sweep_id} were not submitted (tmgg-jobs retry "
        f"{group.sweep_id} submits them): no such partition"
    ]


def test_calls_that_are_given_up_are_reported_and_recorded_as_not_submitted(
    runner: ScriptedRunner, caplog: pytest.LogCaptureFixture
) -> None:
    group = group_of(runner, parallelism=2)
    group.dispatch()
    group.give_up(KeyboardInterrupt())
    assert isinstance(group.futures["s-2"].exception(0), KeyboardInterrupt)
    assert not any(group.futures[run_id].done() for run_id in RUN_IDS[:2])
    assert (runner.ended_sweeps, runner.leases) == (1, [])
    (line,) = caplog.messages
    assert line.startswith("1 of 3 calls of sweep ")
    assert line.endswith(" submits them): KeyboardInterrupt")
