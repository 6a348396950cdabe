"""From values to places, also at the ends of what floats hold."""

import math

import pytest

from tmgg.report.scales import Scale, scale_of
from tmgg.report.statistics import interval_of


@pytest.mark.parametrize(
    ("values", "is_log"),
    [
        ([0.1, 1.0], False), ([1e-5, 1e-1], True), ([0.0, 9.0], False), ([3.0, 3.0], False),
        ([-1e308, 1e308], False), ([-1.7e308, 1.7e308], False), ([5e-324, 1.7e308], True),
        ([1e-308, 1e308], True), ([0.1, 0.1 + 1e-16], False), ([1e16, 1e16 + 2], False),
    ],
)  # fmt: skip
def test_a_scale_holds_its_values_and_has_ticks_among_them(
    values: list[float], is_log: bool
) -> None:
    scale = scale_of(values, 0.0, 100.0)
    assert scale.is_log is is_log
    assert all(-1 <= scale(value) <= 101 for value in values)
    ticks = scale.labelled_ticks()
    assert 1 <= len(ticks) <= 20
    assert all(math.isfinite(scale(tick)) for tick, _words in ticks)
    assert len({words for _tick, words in ticks}) == len(ticks)


def test_ticks_are_round() -> None:
    assert Scale(0.0, 1.0, 0, 1).ticks() == pytest.approx([0, 0.2, 0.4, 0.6, 0.8, 1.0])


def test_a_logarithmic_axis_says_so() -> None:
    assert scale_of([1e-5, 1.0], 0, 1).named("lr") == "lr (log scale)"
    assert scale_of([0.5, 1.0], 0, 1).named("lr") == "lr"


def test_intervals_of_the_largest_values_are_finite() -> None:
    found = interval_of([1e308, -1e308, 1.7e308])
    assert all(map(math.isfinite, (found.mean, found.low, found.high)))
    assert interval_of([1e200, 1e200]).mean == 1e200
