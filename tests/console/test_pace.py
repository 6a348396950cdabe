"""The time left is told where it can be known, and only there."""

import pytest

from tmgg.console.pace import Pace
from tmgg.experiment_utils.cloud.runs import RunState


def state(run_id: str, status: str) -> RunState:
    final = status in ("completed", "failed")
    return RunState(run_id=run_id, status=status, final=final)  # type: ignore[arg-type]


def states(**by_id: str) -> list[RunState]:
    return [state(run_id, status) for run_id, status in by_id.items()]


def after_two_of_a_minute(**others: str) -> Pace:
    """Runs a and b began at 0 s and took 60 s."""
    pace = Pace()
    pace.observe(states(a="pending", b="pending"), -5)
    pace.observe(states(a="running", b="running"), 0)
    pace.observe(states(a="completed", b="completed", **others), 60)
    return pace


@pytest.mark.parametrize(
    ("others", "left", "now", "seconds"),
    [
        ({"c": "running", "d": "running"}, 2, 60, 60),
        ({"c": "running", "d": "running"}, 2, 100, 20),
        ({"c": "running", "d": "running", "e": "pending"}, 4, 60, 120),
        ({"c": "running"}, 3, 60, 180),
    ],
)
def test_the_time_left_is_that_of_the_waiting_in_the_places_there_are(
    others: dict[str, str], left: int, now: float, seconds: float
) -> None:
    assert after_two_of_a_minute(**others).seconds_left(left, now) == pytest.approx(seconds)


def test_nothing_is_reported_while_none_goes_on() -> None:
    pace = after_two_of_a_minute(c="pending")
    assert pace.seconds_left(8, 60 + 61) is None


def test_nothing_is_reported_of_runs_that_take_longer_than_the_others_did() -> None:
    assert after_two_of_a_minute(c="running").seconds_left(1, 130) is None


def test_nothing_is_reported_before_two_have_ended_that_were_seen_to_begin() -> None:
    pace = Pace()
    pace.observe(states(a="completed", b="running", c="running"), 0)
    pace.observe(states(b="completed"), 30)
    assert pace.seconds_left(8, 30) is None
    assert pace.runs_per_minute(30) == 2


def test_failures_end_early_and_are_no_measure_of_how_long_runs_take() -> None:
    pace = Pace()
    pace.observe(states(a="pending", b="pending", c="pending"), 0)
    pace.observe(states(a="running", b="running", c="running"), 1)
    pace.observe(states(a="failed", b="failed"), 3)
    assert pace.seconds_left(5, 3) is None


def test_runs_too_short_to_be_seen_are_counted_by_the_minute() -> None:
    pace = Pace()
    many = {f"r{number}": "pending" for number in range(30)}
    pace.observe(states(**many), 0)
    pace.observe(states(r0="running"), 10)
    pace.observe(states(**{f"r{number}": "completed" for number in range(10)}), 40)
    assert pace.seconds_left(20, 40) == pytest.approx(60)


def test_a_first_moment_is_no_speed() -> None:
    pace = Pace()
    pace.observe(states(a="pending", b="pending"), 0)
    pace.observe(states(a="running", b="running"), 0.001)
    pace.observe(states(a="completed", b="completed"), 0.002)
    assert pace.runs_per_minute(0.002) is None


def test_a_run_that_is_started_again_begins_anew() -> None:
    pace = Pace()
    pace.observe(states(a="pending"), 0)
    for at in (1, 100):
        pace.observe(states(a="running"), at)
        pace.observe(states(a="pending"), at + 50)
    assert pace.seconds_left(1, 200) is None
