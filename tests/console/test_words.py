"""Sentences break between words, and nothing for copying is broken."""

import pytest

from tmgg.console.words import wrapped

PATH = "/home/alice/project/slurm_outputs/20261123-141503-9f2c01ab-0.out"
TEXT = f"HINT: The log {PATH} has more; look there first.\n\nAnother line of a few words more."


@pytest.mark.parametrize("width", [40, 80, 200])
def test_no_line_is_longer_than_the_terminal_but_for_a_long_word(width: int) -> None:
    lines = wrapped(TEXT, width, indent="  ").splitlines()
    assert all(len(line) <= width or line.strip() == PATH for line in lines)
    assert " ".join(" ".join(lines).split()) == " ".join(TEXT.split())
    assert all(not line or line.startswith("  ") for line in lines)


def test_in_a_pipe_lines_are_as_they_are() -> None:
    assert wrapped(TEXT, None) == TEXT
    assert wrapped("", 80) == ""
