"""The fenced blocks of a page of documentation, as things to do one after the other.

A block whose first line is a comment with a path (`# my_lab.py`) is a file to write. Other `bash`
blocks are commands, other `python` blocks are scripts; blocks of other languages and blocks after
`<!-- not run: why -->` are only for reading.
"""

import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

_BLOCK = re.compile(
    r"(?:<!-- not run: (?P<why>[^>]+) -->\s*\n)?^```(?P<language>\w+)\n(?P<text>.*?)^```$",
    re.MULTILINE | re.DOTALL,
)
_FILE = re.compile(r"# (?P<name>[\w./-]+\.(yaml|py))\n")


@dataclass(frozen=True)
class WriteFile:
    name: str
    text: str


@dataclass(frozen=True)
class Command:
    argv: tuple[str, ...]


@dataclass(frozen=True)
class Script:
    text: str


Step = WriteFile | Command | Script


def parse_examples(page: Path) -> list[Step]:
    """The steps in the order of the page."""
    return [
        step
        for block in _BLOCK.finditer(page.read_text())
        if block["why"] is None
        for step in _steps(block["language"], block["text"])
    ]


def _steps(language: str, text: str) -> Iterator[Step]:
    file = _FILE.match(text)
    if file:
        yield WriteFile(file["name"], text)
    elif language == "python":
        yield Script(text)
    elif language == "bash":
        for line in text.replace("\\\n", " ").splitlines():
            if argv := shlex.split(line, comments=True):
                yield Command(tuple(argv))
