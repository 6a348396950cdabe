"""Console blocks of a page: commands, and what each prints, but for ids and times."""

import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

_BLOCK = re.compile(r"^```console\n(?P<text>.*?)^```$", re.MULTILINE | re.DOTALL)
OMITTED = "..."
_CHANGING = (
    (re.compile(r"\d{8}-\d{6}-[0-9a-f]{8}"), "SWEEP"),
    (re.compile(r"\b\d+:\d\d\b(?!:)"), "TIME"),
    (re.compile(r"\b\d+ (?:s|min)$"), "AGE"),
)


@dataclass(frozen=True)
class Shown:
    """A command of the page, and the lines that it prints."""

    argv: tuple[str, ...]
    lines: tuple[str, ...]


def parse_transcript(page: Path) -> list[Shown]:
    """In the order of the page."""
    blocks = _BLOCK.finditer(page.read_text())
    return [shown for block in blocks for shown in _commands(block["text"].splitlines())]


def is_all_of(shown: Shown, printed: str) -> bool:
    """Whether the page shows the whole output; a line of `...` stands for any lines left out."""
    there = "".join(f"{normal(line)}\n" for line in printed.splitlines() if line.strip())
    parts = [r"(?:.*\n)*?" if normal(line) == OMITTED else _exactly(line) for line in shown.lines]
    return re.fullmatch("".join(parts), there) is not None


def _exactly(line: str) -> str:
    return re.escape(f"{normal(line)}\n")


def normal(line: str) -> str:
    """Without what differs each time, and widths of columns."""
    for pattern, word in _CHANGING:
        line = pattern.sub(word, line)
    return " ".join(line.split())


def _commands(lines: list[str]) -> Iterator[Shown]:
    starts = [index for index, line in enumerate(lines) if line.startswith("$ ")]
    for start, end in zip(starts, [*starts[1:], len(lines)], strict=True):
        argv = tuple(shlex.split(lines[start].removeprefix("$ ")))
        yield Shown(argv, tuple(line for line in lines[start + 1 : end] if line.strip()))
