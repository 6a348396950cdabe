"""Checks of single settings. Each raises ConfigError with the given value and what is allowed."""

import re
from collections.abc import Sequence
from pathlib import Path

from tmgg.errors import ConfigError

STOP_SIGNALS = ("USR1", "USR2", "TERM", "INT", "HUP", "XCPU")


def integer(name: str, value: object, *, least: int, most: int | None = None) -> None:
    if isinstance(value, bool) or not isinstance(value, int):
        raise ConfigError(f"{name}={value!r} is a {type(value).__name__}; give a whole number")
    if value < least or (most is not None and value > most):
        limits = f"at least {least}" if most is None else f"{least} to {most}"
        raise ConfigError(f"{name}={value} must be {limits}")


def positive(name: str, value: object) -> None:
    fits = isinstance(value, int | float) and not isinstance(value, bool)
    if not fits or not 0 < float(str(value)) < float("inf"):
        raise ConfigError(f"{name}={value!r} must be a number of seconds above 0")


def minutes(name: str, value: object) -> None:
    fits = isinstance(value, int | float) and not isinstance(value, bool)
    if not fits or not 0 < float(str(value)) < float("inf"):
        raise ConfigError(f"{name}={value!r} must be a number of minutes above 0")


def amount(name: str, value: object) -> None:
    """An amount of a resource may be a fraction, such as half a CPU."""
    fits = isinstance(value, int | float) and not isinstance(value, bool)
    if not fits or not 0 <= float(str(value)) < float("inf"):
        raise ConfigError(f"{name}={value!r} must be a number, 0 or more")


def boolean(name: str, value: object) -> None:
    if not isinstance(value, bool):
        raise ConfigError(f"{name}={value!r} must be true or false")


def one_of(name: str, value: object, choices: Sequence[str]) -> None:
    if value not in choices:
        raise ConfigError(f"{name}={value!r} must be one of {', '.join(choices)}")


def printable(name: str, value: object) -> None:
    """Text that may hold spaces and quotes (quoted where it is used) but no control codes."""
    if not isinstance(value, str) or not value or not value.isprintable():
        raise ConfigError(f"{name}={value!r} must be non-empty text without line breaks")


def path(name: str, value: object) -> None:
    """As `printable`. The home folder of a leading `~` or `~user` must be known."""
    printable(name, value)
    try:
        Path(str(value)).expanduser()
    except RuntimeError as error:
        raise ConfigError(
            f"{name}={value!r} begins with the home of a user who is unknown here"
        ) from error


def matching(name: str, value: object, pattern: tuple[re.Pattern[str], str]) -> None:
    """Text that matches `pattern`, for example a name that Slurm gets without quoting."""
    expression, example = pattern
    if not isinstance(value, str) or not expression.fullmatch(value):
        raise ConfigError(f"{name}={value!r} must look like {example!r}")


def text_list(name: str, value: object) -> tuple[str, ...]:
    """The items of a list of text. A single text is refused, not taken as a list of letters."""
    if isinstance(value, str | bytes) or not isinstance(value, Sequence):
        raise ConfigError(f"{name}={value!r} must be a list of text")
    for item in value:
        if not isinstance(item, str):
            raise ConfigError(f"{name} holds {item!r}, a {type(item).__name__}; items must be text")
    return tuple(value)


def stop_signal(name: str, value: object) -> None:
    """A signal that a process can handle and that has no other meaning to Python."""
    bare = value.removeprefix("SIG") if isinstance(value, str) else value
    if bare not in STOP_SIGNALS:
        raise ConfigError(
            f"{name} must be one of {', '.join(STOP_SIGNALS)} (or with SIG in front), not {value!r}"
        )
