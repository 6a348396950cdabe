"""Pieces of SVG: scales, ticks, safe labels."""

import pytest

from tmgg.report.drawing import Scale, escaped, scale_of, shortened


@pytest.mark.parametrize(
    ("values", "is_log"),
    [([0.1, 1.0], False), ([1e-5, 1e-1], True), ([0.0, 9.0], False), ([3.0, 3.0], False)],
)
def test_a_scale_holds_its_values_and_has_ticks_among_them(
    values: list[float], is_log: bool
) -> None:
    scale = scale_of(values, 0.0, 100.0)
    assert scale.is_log is is_log
    assert all(0 <= scale(value) <= 100 for value in values)
    assert all(scale.low <= tick <= scale.high for tick in scale.ticks())
    assert 1 <= len(scale.ticks()) <= 20


def test_ticks_are_round() -> None:
    assert Scale(0.0, 1.0, 0, 1).ticks() == pytest.approx([0, 0.2, 0.4, 0.6, 0.8, 1.0])


def test_labels_are_shortened_and_safe() -> None:
    assert shortened("a" * 100, 11) == "aaaaa…aaaaa"
    assert escaped('<a href="x">\n\x1b') == "&lt;a href=&quot;x&quot;&gt;\\n\\x1b"
