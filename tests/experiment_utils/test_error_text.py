"""Every exception has a text."""

import pytest

from tmgg.experiment_utils.error_text import MOST_LINES, bounded, text_of
from tmgg.experiment_utils.run_folder.failures import failure


class _MuteError(Exception):
    def __str__(self) -> str:
        raise ValueError("str fails")


class _AbyssError(Exception):
    def __str__(self) -> str:
        raise _AbyssError


@pytest.mark.parametrize(
    ("error", "text"),
    [
        (KeyError("x"), "'x'"),
        (_MuteError(), "(its text cannot be had: ValueError: str fails)"),
        (_AbyssError(), "(its text cannot be had: _AbyssError)"),
    ],
)
def test_an_exception_whose_text_raises_is_reported_by_what_it_raises(
    error: Exception, text: str
) -> None:
    assert text_of(error) == text


def test_a_long_text_is_its_first_and_last_lines() -> None:
    text = "\n".join(f"line {number}" for number in range(10_000))
    lines = bounded(text).splitlines()
    assert len(lines) == MOST_LINES + 1
    assert (lines[0], lines[-1]) == ("line 0", "line 9999")
    assert f"[{10_000 - MOST_LINES} lines left out]" in lines
    assert bounded("one\ntwo\n") == "one\ntwo\n"
    assert len(bounded("x" * 1_000_000)) < 3000
    assert len(failure("user_error", text).message.splitlines()) < 30
