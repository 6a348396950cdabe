"""Waiting for runs: how often the backend is asked, and what the shared folder tells in between."""

import itertools
from pathlib import Path

import pytest

from tests.fakes.clock import FakeClock
from tests.fakes.scripted_runner import ScriptedRunner
from tmgg.experiment_utils.cloud.runs import RunState
from tmgg.experiment_utils.cloud.runs_on_record import waiting

NEVER = 10_000.0


@pytest.fixture
def runner(clock: FakeClock, tmp_path: Path) -> ScriptedRunner:
    (tmp_path / ".ended").mkdir()
    return ScriptedRunner(clock, tmp_path / ".ended")


def wait(runner: ScriptedRunner, *run_ids: str) -> list[tuple[str, float]]:
    """Who ended, and how long after the beginning that was seen."""
    began_s = runner.clock.now_s
    return [
        (state.run_id, round(runner.clock.now_s - began_s, 1))
        for state in waiting.wait(runner, run_ids, clock=runner.clock)
    ]


def question_times(runner: ScriptedRunner) -> list[float]:
    return [round(at_s - 1_000, 1) for at_s, _ids in runner.polls]


def test_an_ended_run_is_seen_by_the_first_question(runner: ScriptedRunner) -> None:
    runner.begin("a", duration_s=0)
    assert wait(runner, "a") == [("a", 0.0)]
    assert runner.clock.naps_s == []


def test_nothing_to_wait_for_asks_nothing(runner: ScriptedRunner) -> None:
    assert wait(runner) == []
    assert runner.polls == []


def test_questions_become_rarer_until_the_longest_interval(runner: ScriptedRunner) -> None:
    runner.begin("a", duration_s=200)
    wait(runner, "a")
    times = question_times(runner)
    gaps = [round(after - before, 1) for before, after in itertools.pairwise(times)]
    assert gaps == sorted(gaps)
    assert gaps[0] == 2
    assert max(gaps) == 30
    # Less than one in five seconds, even in a wait of half a minute.
    assert all(sum(asked <= end_s for asked in times) < end_s / 5 for end_s in range(26, 200))


def test_no_question_is_rarer_than_the_runner_allows(clock: FakeClock, tmp_path: Path) -> None:
    runner = ScriptedRunner(clock, tmp_path, poll_interval_s=0.5)
    runner.begin("a", duration_s=20)
    assert wait(runner, "a") == [("a", 20.0)]
    assert len(runner.polls) == 41


def test_a_change_makes_the_next_questions_sooner(runner: ScriptedRunner) -> None:
    runner.begin("a", duration_s=150)
    runner.begin("b", duration_s=400)
    wait(runner, "a", "b")
    after = [at_s for at_s in question_times(runner) if at_s >= 150]
    assert after[1] - after[0] <= 10 + 1e-6


def test_an_exit_record_is_heard_within_a_fraction_of_a_second(runner: ScriptedRunner) -> None:
    runner.begin("slow", duration_s=300)
    runner.begin("quick", duration_s=101.3, leaves_record=True)
    run_id, seen_s = wait(runner, "slow", "quick")[0]
    assert run_id == "quick"
    assert 101.3 <= seen_s <= 101.6


def test_only_the_run_that_was_heard_is_asked_about(runner: ScriptedRunner) -> None:
    for number in range(50):
        runner.begin(f"slow-{number}", duration_s=300)
    runner.begin("quick", duration_s=101.3, leaves_record=True)
    wait(runner, "quick", *(f"slow-{number}" for number in range(50)))
    heard = [ids for at_s, ids in runner.polls if 101 <= at_s - 1_000 < 102]
    assert heard == [["quick"]]


def test_records_of_other_runs_in_the_folder_are_nothing_to_ask_about(
    runner: ScriptedRunner,
) -> None:
    runner.begin("a", duration_s=100)
    for second in range(1, 100):
        runner.at(second, lambda second=second: runner.write_record(f"other-{second}"))  # type: ignore[misc]
    wait(runner, "a")
    alone = ScriptedRunner(FakeClock(), runner.ended_folder / "x")
    alone.begin("a", duration_s=100)
    wait(alone, "a")
    assert question_times(runner) == question_times(alone)


def test_a_record_that_did_not_end_its_run_is_asked_about_once(runner: ScriptedRunner) -> None:
    """As after a restart: the record is of an earlier start, or its result is still to come."""
    runner.begin("a", duration_s=100)
    runner.write_record("a")
    wait(runner, "a")
    assert len([ids for at_s, ids in runner.polls if at_s - 1_000 < 1]) <= 2


def test_a_folder_that_cannot_be_listed_costs_only_the_ear(
    clock: FakeClock, tmp_path: Path
) -> None:
    runner = ScriptedRunner(clock, tmp_path / "no" / "folder")
    runner.begin("a", duration_s=3)
    assert [run_id for run_id, _at_s in wait(runner, "a")] == ["a"]


def test_a_thousand_runs_that_end_one_by_one_are_few_questions(runner: ScriptedRunner) -> None:
    ids = [f"run-{number}" for number in range(1_000)]
    for number, run_id in enumerate(ids):
        runner.begin(run_id, duration_s=number / 2, leaves_record=True)
    ended = [run_id for run_id, _at_s in wait(runner, *ids)]
    assert sorted(ended) == sorted(ids)
    about_many = [asked for _at_s, asked in runner.polls if len(asked) > 10]
    assert len(about_many) <= 500 / 5


def test_everybody_who_wants_to_know_is_told_the_state_of_all(runner: ScriptedRunner) -> None:
    runner.begin("a", duration_s=2)
    runner.begin("b", duration_s=4)
    told: list[list[tuple[str, str]]] = []

    def on_update(states: object) -> None:
        assert isinstance(states, list)
        told.append([(state.run_id, state.status) for state in states])

    ended = list(waiting.wait(runner, ["a", "b"], on_update=on_update, clock=runner.clock))
    assert [state.run_id for state in ended] == ["a", "b"]
    assert told[0] == [("a", "running"), ("b", "running")]
    assert ("a", "completed") in [item for states in told for item in states]
    assert told[-1] == [("b", "completed")]


def test_each_run_is_yielded_as_it_ends(runner: ScriptedRunner) -> None:
    runner.begin("a", duration_s=1)
    runner.begin("b", duration_s=NEVER)
    waiter = waiting.wait(runner, ["b", "a"], clock=runner.clock)
    first = next(waiter)
    assert (first.run_id, first.status) == ("a", "completed")


def test_a_run_that_is_watched_is_pending_until_something_is_known(runner: ScriptedRunner) -> None:
    watch = waiting.Watch(runner, clock=runner.clock)
    watch.add("a", "77")
    assert (watch.open_count, watch.open_runs) == (1, ["a"])
    watch.drop("a")
    assert watch.next_ended() == []


def test_the_clock_is_the_real_one_unless_another_is_given() -> None:
    clock = waiting.Clock()
    before = clock.monotonic()
    clock.sleep(0.001)
    assert clock.monotonic() > before
    assert isinstance(RunState(run_id="a", status="pending", final=False), RunState)


def test_a_run_that_was_interrupted_goes_on_until_it_is_done(runner: ScriptedRunner) -> None:
    runner.begin("a", duration_s=20, interruptions=2, leaves_record=True)
    ((run_id, took_s),) = wait(runner, "a")
    assert run_id == "a"
    assert 60 <= took_s < 62
    assert runner.resubmitted == ["a", "a"]


def test_a_run_with_no_restart_left_has_ended(runner: ScriptedRunner) -> None:
    runner.begin("a", duration_s=20, interruptions=2, leaves_record=True)
    runner.restarts = 1
    (state,) = waiting.wait(runner, ["a"], clock=runner.clock)
    assert (state.status, state.resumable) == ("failed", True)
