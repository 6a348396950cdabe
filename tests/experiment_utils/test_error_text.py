"""Every exception has a text."""

import pytest

from tmgg.experiment_utils.error_text import text_of


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
def test_an_exception_whose_text_raises_is_told_by_what_it_raises(
    error: Exception, text: str
) -> None:
    assert text_of(error) == text
