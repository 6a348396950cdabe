"""Makes a backend's config from plain options."""

import difflib
from collections.abc import Mapping
from dataclasses import fields
from types import NoneType, UnionType
from typing import Any, TypeVar, get_args, get_type_hints

from tmgg.errors import ConfigError

_Config = TypeVar("_Config")
_WORDS = {str: "text", int: "a whole number", float: "a number", bool: "true or false"}


def parse_options(cls: type[_Config], options: Mapping[str, Any], *, what: str) -> _Config:
    """A config with `options` as its fields. Raises ConfigError for an unknown or missing option.

    A class without `__post_init__` does not check its values, so their types are checked here, for
    fields of plain types (text, a number, true or false, each also with None).
    """
    known = [item.name for item in fields(cls)]  # type: ignore[arg-type]
    for key in options:
        if key not in known:
            raise ConfigError(unknown_name(f"{what} option", str(key), known))
    if not hasattr(cls, "__post_init__"):
        hints = get_type_hints(cls)
        for key, value in options.items():
            _check_type(key, value, hints[key])
    try:
        return cls(**options)
    except TypeError as error:
        missing = [name for name in known if name not in options]
        raise ConfigError(
            f"the {what} options do not make a {cls.__name__}: {error}. Not given: "
            f"{', '.join(missing) or 'none'}."
        ) from error


def _check_type(name: str, value: object, hint: Any) -> None:
    types = get_args(hint) if isinstance(hint, UnionType) else (hint,)
    if not set(types) <= {*_WORDS, NoneType}:
        return
    is_whole = type(value) is int and float in types
    if type(value) not in types and not is_whole:
        words = [_WORDS.get(each, "null") for each in types]
        raise ConfigError(f"{name}={value!r} must be {' or '.join(words)}")


def unknown_name(what: str, given: str, known: Mapping[str, Any] | list[str]) -> str:
    """A message that lists the known names and suggests the most similar one."""
    near = difflib.get_close_matches(given, list(known), n=1)
    guess = f" Did you mean {near[0]!r}?" if near else ""
    return f"unknown {what} {given!r}.{guess} Known: {', '.join(sorted(known))}."
