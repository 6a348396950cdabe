"""Sentences on a terminal: they break between words."""

import shutil
import sys
import textwrap

from tmgg.console.printing import put
from tmgg.console.visible import visible


def wrapped(text: str, width: int | None, *, indent: str = "") -> str:
    """Lines that break at spaces and go on two further in; paths and other long words stay whole.

    As they are where there is no `width`. Pure.
    """
    lines = [f"{indent}{line}" if line else "" for line in text.splitlines()]
    return "\n".join(lines if width is None else [_fill(line, width, indent) for line in lines])


def put_words(text: str, *, indent: str = "") -> None:
    """Sentences on standard output."""
    put(wrapped(visible(text), width_of_terminal(), indent=indent))


def width_of_terminal(*, stderr: bool = False) -> int | None:
    """None where the stream, standard output if nothing is said, is no terminal."""
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
