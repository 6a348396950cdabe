"""Records on disk as dataclasses.

These rules keep old records readable: the version number grows only if a field changes its meaning;
missing fields take their defaults; unknown fields are ignored.
"""

import functools
import math
import types
from collections.abc import Callable, Mapping
from dataclasses import fields
from typing import Any, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

from tmgg.errors import RecordError

_Record = TypeVar("_Record")
_Check = Callable[[object], bool]


def parse_record(
    cls: type[_Record], value: Mapping[str, Any], *, what: str, newest_version: int
) -> _Record:
    """Return `value` as a `cls`; raise RecordError, which begins with `what`, if it is none."""
    check_version(value, what=what, newest_version=newest_version)
    return parse_fields(cls, value, what=what)


def parse_fields(cls: type[_Record], value: Mapping[str, Any], *, what: str) -> _Record:
    """As `parse_record` for a part of a record, which has no version of its own."""
    known = _names(cls)  # type: ignore[arg-type]
    try:
        record = cls(**{key: item for key, item in value.items() if key in known})
    except TypeError as error:
        raise RecordError(f"{what} lacks fields: {error}") from error
    for name, (hint, sure, fits) in _checks(cls).items():  # type: ignore[arg-type]
        found = getattr(record, name)
        if type(found) not in sure and not fits(found):
            raise RecordError(f"{what} has {name}={found!r:.100}, which is no {_shown(hint)}")
    return record


def shallow(record: object) -> dict[str, Any]:
    """The fields of a dataclass by name. Unlike `asdict`, this does not copy the values."""
    return {name: getattr(record, name) for name in _names(type(record))}  # type: ignore[arg-type]


def check_version(value: Mapping[str, Any], *, what: str, newest_version: int) -> None:
    """Raise RecordError if the version is newer than `newest_version`, or is missing or invalid."""
    version = value.get("version")
    if type(version) is not int or not 1 <= version <= newest_version:
        raise RecordError(
            f"{what} has version {version!r:.100}; this TMGG reads 1 to {newest_version}; update it"
        )


def as_time(value: object) -> float | None:
    """A value of an unchecked record as a time; None if it is no finite number."""
    try:
        found = float(value) if isinstance(value, int | float) else math.nan
    except OverflowError:
        return None
    return found if math.isfinite(found) else None


@functools.cache
def _names(cls: type[Any]) -> tuple[str, ...]:
    return tuple(item.name for item in fields(cls))


@functools.cache
def _checks(cls: type[Any]) -> dict[str, tuple[Any, frozenset[type], _Check]]:
    """For each field: its hint, types that always fit, and a check. Cached: records are many."""
    hints = get_type_hints(cls)
    return {name: (hint, _sure_types(hint), _check_of(hint)) for name, hint in hints.items()}


def _sure_types(hint: Any) -> frozenset[type]:
    """Types whose every value fits the hint. For nearly all fields this check is enough."""
    origin, arguments = get_origin(hint), get_args(hint)
    if origin in (Union, types.UnionType):
        return frozenset().union(*map(_sure_types, arguments))
    if origin in (dict, list):
        return frozenset({origin} if arguments[-1] is Any else ())
    if hint is float:
        return frozenset({int, float})
    return frozenset({hint} if isinstance(hint, type) else ())


def _check_of(hint: Any) -> _Check:
    origin, arguments = get_origin(hint), get_args(hint)
    if origin in (Union, types.UnionType):
        checks = [_check_of(each) for each in arguments]
        return lambda value: any(check(value) for check in checks)
    if origin is Literal:
        return lambda value: isinstance(value, str) and value in arguments
    if origin in (dict, list):
        return _check_of_many(origin, arguments[-1])
    if hint is Any:
        return lambda _value: True
    if hint is float:
        return lambda value: isinstance(value, int | float)
    if hint is int:
        return lambda value: isinstance(value, int) and not isinstance(value, bool)
    return lambda value: isinstance(value, hint)


def _check_of_many(kind: type[dict[str, Any]] | type[list[Any]], hint: Any) -> _Check:
    if hint is Any:
        return lambda value: isinstance(value, kind)
    check = _check_of(hint)

    def fits(value: object) -> bool:
        items = value.values() if isinstance(value, dict) else value
        return isinstance(value, kind) and all(map(check, items))  # type: ignore[call-overload]

    return fits


def _shown(hint: Any) -> str:
    return hint.__name__ if isinstance(hint, type) else str(hint).removeprefix("typing.")
