"""Which of several places for a job is the earliest."""

from datetime import datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tmgg.experiment_utils.cloud.slurm.planning.answers import Start
from tmgg.experiment_utils.cloud.slurm.planning.costs import Cost
from tmgg.experiment_utils.cloud.slurm.planning.plan import Choice, earliest
from tmgg.experiment_utils.cloud.slurm.planning.trial import Trial

NOW = datetime(2026, 11, 29, 4, 42, 25)
REFUSED = Trial(refusal="no")


def choice(name: str, trial: Trial, *, default: bool = False, preemption: str = "") -> Choice:
    return Choice(
        partition=name,
        gpu_type=None,
        trial=trial,
        cost=Cost(node_hours=1.0, gpu_hours=0.0),
        is_default=default,
        preemption=preemption,
    )


def starting(seconds: float | None) -> Trial:
    return Trial(start=Start(at=None if seconds is None else NOW + timedelta(seconds=seconds)))


@pytest.mark.parametrize("trial", [REFUSED, Trial(silence="?"), starting(None)])
def test_what_names_no_time_is_never_taken(trial: Trial) -> None:
    assert earliest([choice("a", trial)]) is None
    later = choice("b", starting(7200))
    assert earliest([choice("a", trial), later]) is later


def test_seconds_between_two_questions_do_not_decide() -> None:
    default = choice("default", starting(2), default=True)
    assert earliest([choice("a", starting(0)), default]) is default
    sooner = choice("a", starting(-120), preemption="REQUEUE")
    assert earliest([sooner, default]) is sooner
    assert earliest([choice("a", starting(0), preemption="REQUEUE"), default]) is default


@given(st.lists(st.one_of(st.none(), st.integers(0, 10**6)), min_size=1))
def test_nothing_that_starts_a_minute_sooner_is_passed_over(seconds: list[int | None]) -> None:
    trials = [REFUSED if each is None else starting(each) for each in seconds]
    best = earliest([choice(str(number), trial) for number, trial in enumerate(trials)])
    known = [each for each in seconds if each is not None]
    if not known:
        assert best is None
        return
    assert best is not None
    assert best.at is not None
    assert best.at - NOW < timedelta(seconds=min(known) + 60)
