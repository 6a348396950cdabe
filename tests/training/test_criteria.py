"""What a stage asks for, and whether a run reached it."""

import logging
import math
from typing import Any

import pytest

from tmgg.errors import ConfigError
from tmgg.training.config import parse_settings
from tmgg.training.criteria import Criterion
from tmgg.training.experiment import run


@pytest.mark.parametrize(
    ("value", "met"), [(0.7, False), (0.75, True), (1.0, True), (1.1, False), (math.nan, False)]
)
def test_a_metric_meets_its_bounds_or_does_not(value: float, met: bool) -> None:
    criterion = Criterion(metric="gap", at_least=0.75, at_most=1.02)
    assert criterion.is_met({"gap": value}) is met


def test_what_was_not_measured_is_not_met() -> None:
    criterion = Criterion(metric="gap", at_least=0.75)
    assert not criterion.is_met({})
    assert criterion.render({}) == "gap not measured (at least 0.75): NOT MET"


@pytest.mark.parametrize(("bound", "passed"), [(0.0, True), (2.0, False)])
def test_a_run_says_whether_its_stage_passed(
    small: dict[str, Any], bound: float, passed: bool, caplog: pytest.LogCaptureFixture
) -> None:
    criteria = [
        {"metric": "block_oracle_gap_closed", "at_least": bound},
        {"metric": "block_oracle_gap_closed", "at_least": 9, "model": "gnn"},
    ]
    with caplog.at_level(logging.INFO, logger="tmgg"):
        metrics = run({**small, "criteria": criteria})
    assert metrics["passed"] == passed
    assert f"stage {'PASSED' if passed else 'FAILED'}" in caplog.text


@pytest.mark.parametrize(
    ("criteria", "message"),
    [
        (5, "criteria is 5; expected a list of groups of keys"),
        ([{"metric": "x"}], "the criterion for x has neither at_least nor at_most"),
        (
            [{"metric": "x", "at_least": 1, "model": "graph_transfomer"}],
            "the criterion for x is for the model 'graph_transfomer'; known names: linear_pe",
        ),
        ([{"metric": "x", "least": 1}], "unknown key under 'criteria': least"),
    ],
)
def test_criteria_that_cannot_be_are_refused(criteria: object, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        parse_settings({"criteria": criteria})
