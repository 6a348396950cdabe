"""Records on disk as dataclasses.

The rules by which old records stay readable: a version number that grows only when a field changes
its meaning; fields that are missing take their defaults; fields nobody knows are ignored.
"""

import functools
import math
import types
from collections.abc import Mapping
from dataclasses import fields
from typing import Any, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

from tmgg.errors import RecordError

_Record = TypeVar("_Record")


def parse_record(
    cls: type[_Record], value: Mapping[str, Any], *, what: str, newest_version: int
) -> _Record:
    """`value` as a `cls`; a RecordError that begins with `what` when it cannot be one."""
    check_version(value, what=what, newest_version=newest_version)
    return parse_fields(cls, value, what=what)


def parse_fields(cls: type[_Record], value: Mapping[str, Any], *, what: str) -> _Record:
    """As `parse_record` for a part of a record, which has no version of its own."""
    known = {item.name for item in fields(cls)}  # type: ignore[arg-type]
    try:
        record = cls(**{key: item for key, item in value.items() if key in known})
    except TypeError as error:
        raise RecordError(f"{what} lacks fields: {error}") from error
    for name, hint in _hints(cls).items():  # type: ignore[arg-type]
        found = getattr(record, name)
        if not _fits(found, hint):
            raise RecordError(f"{what} has {name}={found!r:.100}, which is no {_shown(hint)}")
    return record


def check_version(value: Mapping[str, Any], *, what: str, newest_version: int) -> None:
    """Raises RecordError for a record of a newer TMGG, or of none."""
    version = value.get("version")
    if type(version) is not int or not 1 <= version <= newest_version:
        raise RecordError(
            f"{what} has version {version!r:.100}; this TMGG reads 1 to {newest_version}"
        )


def as_time(value: object) -> float | None:
    """A time in a record that nobody checked; None for what cannot be one."""
    try:
        found = float(value) if isinstance(value, int | float) else math.nan
    except OverflowError:
        return None
    return found if math.isfinite(found) else None


@functools.cache
def _hints(cls: type[Any]) -> dict[str, Any]:
    return get_type_hints(cls)


def _fits(value: object, hint: Any) -> bool:
    origin, arguments = get_origin(hint), get_args(hint)
    if origin in (Union, types.UnionType):
        return any(_fits(value, each) for each in arguments)
    if origin is Literal:
        return isinstance(value, str) and value in arguments
    if origin is dict:
        return isinstance(value, dict) and all(_fits(item, arguments[1]) for item in value.values())
    if origin is list:
        return isinstance(value, list) and all(_fits(item, arguments[0]) for item in value)
    if hint is Any:
        return True
    if hint is float:
        return isinstance(value, int | float)
    return isinstance(value, hint) and not (hint is int and isinstance(value, bool))


def _shown(hint: Any) -> str:
    return hint.__name__ if isinstance(hint, type) else str(hint).removeprefix("typing.")
