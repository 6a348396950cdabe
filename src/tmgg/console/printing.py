"""Standard output is for answers, standard error for words about them."""

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

# Of the terminal's own palette, and none that is faint on white: yellow, white, bright ones.
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
    """Let standard output show what its encoding lacks as `\\u2028` and the like, and not fail.

    As Python does for standard error. UTF-8, which has all, stays as it is.
    """
    stream = sys.stdout
    if not isinstance(stream, io.TextIOWrapper) or stream.errors == "backslashreplace":
        return
    if codecs.lookup(stream.encoding).name != "utf-8":
        stream.reconfigure(errors="backslashreplace")


def say(text: str) -> None:
    """A line on standard error; where it cannot be written it is lost, and nothing ends."""
    with contextlib.suppress(OSError):
        sys.stderr.write(visible(text) + "\n")
        sys.stderr.flush()


def put(text: str = "") -> None:
    """A line on standard output. Raises AnswerLostError."""
    forgive_stdout()
    with answering():
        sys.stdout.write(visible(text) + "\n")


def put_json(value: Mapping[str, Any]) -> None:
    """One JSON document on standard output.

    NaN and infinity become the texts "NaN", "Infinity" and "-Infinity".
    """
    put(json.dumps(as_strict_json(value), indent=2, allow_nan=False))


def as_strict_json(value: Any) -> Any:
    """The value without NaN and infinity, which JSON does not have; texts take their places."""
    if isinstance(value, Mapping):
        return {str(name): as_strict_json(item) for name, item in value.items()}
    if isinstance(value, list | tuple):
        return [as_strict_json(item) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        return "NaN" if math.isnan(value) else ("Infinity" if value > 0 else "-Infinity")
    return value
