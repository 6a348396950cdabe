"""How a run got on, from its marks."""

import pytest

from tmgg.experiment_utils.run_folder.phases import Phase
from tmgg.report.timeline import spans_of


def marks(**at: float) -> list[Phase]:
    return [Phase(name, seconds, "node1") for name, seconds in at.items()]


WHOLE = marks(
    batch_start=10, environment_ready=15, entrypoint_start=20, entrypoint_end=50, batch_end=55
)


@pytest.mark.parametrize(
    ("left", "has_failed", "spans"),
    [
        (WHOLE, False, [("queue", 5, 10), ("startup", 10, 20), ("run", 20, 50), ("end", 50, 55)]),
        (WHOLE, True, [("queue", 5, 10), ("startup", 10, 20), ("failed", 20, 50), ("end", 50, 55)]),
        (WHOLE[:3], False, [("queue", 5, 10), ("startup", 10, 20), ("run", 20, 99)]),
        (WHOLE[:2], True, [("queue", 5, 10), ("failed", 10, 99)]),
        (WHOLE[:1], False, [("queue", 5, 10), ("startup", 10, 99)]),
        ([], False, [("queue", 5, 99)]),
    ],
)
def test_marks_become_stretches(
    left: list[Phase], has_failed: bool, spans: list[tuple[str, float, float]]
) -> None:
    found = spans_of(left, asked_s=5.0, until_s=99.0, has_failed=has_failed)
    assert [(span.kind, span.begin_s, span.end_s) for span in found] == spans


def test_clocks_that_differ_make_no_stretch_of_less_than_nothing() -> None:
    found = spans_of(WHOLE, asked_s=12.0, until_s=99.0, has_failed=False)
    assert [span.kind for span in found] == ["startup", "run", "end"]


def test_a_run_that_nobody_submitted_has_none() -> None:
    assert spans_of([], asked_s=None, until_s=99.0, has_failed=False) == []
