"""Wraps sentences on a terminal between words."""

import shutil
import sys
import textwrap

from tmgg.console.printing import put
from tmgg.console.visible import visible


def wrapped(text: str, width: int | None, *, indent: str = "") -> str:
    """Break lines at spaces and indent their continuation by two; long words are not broken.

    Without a `width` the lines stay as they are. Pure.
    """
    lines = [f"{indent}{line}" if line else "" for line in text.splitlines()]
    return "\n".join(lines if width is None else [_fill(line, width, indent) for line in lines])


def put_words(text: str, *, indent: str = "") -> None:
    """Sentences on standard output."""
    put(wrapped(visible(text), width_of_terminal(), indent=indent))


def width_of_terminal(*, stderr: bool = False) -> int | None:
    """The width in characters. None if the stream (default: standard output) is not a terminal."""
    stream = sys.stderr if stderr else sys.stdout
    return shutil.get_terminal_size().columns if stream.isatty() else None


def _fill(line: str, width: int, indent: str) -> str:
    return textwrap.fill(
        line,
        max(width, len(indent) + 20),
        subsequent_indent=f"{indent}  ",
        break_long_words=False,
        break_on_hyphens=False,
    )
