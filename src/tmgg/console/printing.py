"""Writes answers to standard output, and messages about them to standard error."""

import codecs
import contextlib
import io
import json
import math
import sys
from collections.abc import Mapping
from typing import Any

from tmgg.console.streams import answering
from tmgg.console.visible import visible

# Colours of the terminal's palette, but not those that are hard to read on white: yellow, white,
# bright ones.
STATUS_STYLES = {
    "completed": "green",
    "damaged": "red",
    "failed": "red",
    "foreign": "magenta",
    "ok": "green",
    "pending": "magenta",
    "problem": "red",
    "running": "cyan",
    "unknown": "magenta",
    "warning": "magenta",
}


def forgive_stdout() -> None:
    """Let standard output write characters that its encoding lacks as `\\u2028` instead of failing.

    Python does the same for standard error. A stream in UTF-8 stays as it is.
    """
    stream = sys.stdout
    if not isinstance(stream, io.TextIOWrapper) or stream.errors == "backslashreplace":
        return
    if codecs.lookup(stream.encoding).name != "utf-8":
        stream.reconfigure(errors="backslashreplace")


def say(text: str) -> None:
    """Write a line to standard error. If that fails, the line is lost; no error is raised."""
    with contextlib.suppress(OSError):
        sys.stderr.write(visible(text) + "\n")
        sys.stderr.flush()


def put(text: str = "") -> None:
    """Write a line to standard output. Raises AnswerLostError."""
    forgive_stdout()
    with answering():
        sys.stdout.write(visible(text) + "\n")


def put_json(value: Mapping[str, Any]) -> None:
    """One JSON document on standard output.

    NaN and infinity become the texts "NaN", "Infinity" and "-Infinity".
    """
    put(json.dumps(as_strict_json(value), indent=2, allow_nan=False))


def as_strict_json(value: Any) -> Any:
    """The value with texts instead of NaN and infinity, which JSON does not have."""
    if isinstance(value, Mapping):
        return {str(name): as_strict_json(item) for name, item in value.items()}
    if isinstance(value, list | tuple):
        return [as_strict_json(item) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        return "NaN" if math.isnan(value) else ("Infinity" if value > 0 else "-Infinity")
    return value
