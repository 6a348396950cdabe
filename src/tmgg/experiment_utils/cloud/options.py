"""From plain options to a backend's config."""

import difflib
from collections.abc import Mapping
from dataclasses import fields
from typing import Any, TypeVar

from tmgg.errors import ConfigError

_Config = TypeVar("_Config")


def parse_options(cls: type[_Config], options: Mapping[str, Any], *, what: str) -> _Config:
    """A config class with `options` as its fields; ConfigError for one that it does not have."""
    known = [item.name for item in fields(cls)]  # type: ignore[arg-type]
    for key in options:
        if key not in known:
            raise ConfigError(unknown_name(f"{what} option", str(key), known))
    return cls(**options)


def unknown_name(what: str, given: str, known: Mapping[str, Any] | list[str]) -> str:
    """A message that lists what exists and points at the nearest."""
    near = difflib.get_close_matches(given, list(known), n=1)
    guess = f" Did you mean {near[0]!r}?" if near else ""
    return f"unknown {what} {given!r}.{guess} Known: {', '.join(sorted(known))}."
