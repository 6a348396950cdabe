"""Whether a value can be changed in place, and whether two values are the same."""

import dataclasses
import enum
import functools
import logging
from collections.abc import Iterable
from types import BuiltinFunctionType, FunctionType, MethodType, ModuleType
from typing import Any

from tmgg.experiment_utils.program.parts import attribute_of, attributes_of, has_content
from tmgg.experiment_utils.program.script import MAIN

_CODE = (FunctionType, BuiltinFunctionType, MethodType, ModuleType, type, functools.partial)
_BY_NAME = (*_CODE, logging.Logger)
"""Types of objects that a job finds by name, or makes from objects that it finds by name."""
_FIELDS = ("__dataclass_fields__", "__attrs_attrs__", "__pydantic_fields__")
"""Attributes of classes whose objects have declared fields."""


def is_changeable(value: object) -> bool:
    """Whether code may have changed the value, so that loading the script makes another one.

    If a class compares and hashes its objects by their content, the content does not change: so it
    is for numbers, texts, paths, times and devices. But a frozen dataclass may have a dict.
    """
    return _is_changeable(value, set())


def _is_changeable(value: object, within: set[int]) -> bool:
    """As `is_changeable`; `within` has the ids of the objects that the value is a part of."""
    kind = type(value)
    if (
        id(value) in within
        or issubclass(kind, _BY_NAME)
        or kind is object
        or attribute_of(value, "__wrapped__")
    ):
        return False
    if not (has_content(kind) or attributes_of(value)):
        return False  # a marker such as `MISSING = Missing()`, which is compared by identity
    if issubclass(kind, tuple | frozenset):
        return _is_any_changeable(value, value, within)  # type: ignore[arg-type]
    if hasattr(kind, "__setitem__"):
        return True
    if kind.__hash__ in (None, object.__hash__):  # it is not hashed by its content
        return not _is_pickled_by_name(value)
    if kind.__module__ == MAIN and not _is_frozen(kind):
        return True
    # It cannot be assigned to, but a dict or an object that it has may change.
    return _is_of_fields(kind) and _is_any_changeable(value, attributes_of(value), within)


def _is_any_changeable(value: object, parts: Iterable[object], within: set[int]) -> bool:
    return any(_is_changeable(part, within | {id(value)}) for part in parts)


def _is_pickled_by_name(value: object) -> bool:
    """Whether it is pickled as a name, as dtypes of torch and type variables are."""
    kind: Any = type(value)
    if (kind.__reduce__, kind.__reduce_ex__) == (object.__reduce__, object.__reduce_ex__):
        return False
    try:
        return isinstance(value.__reduce_ex__(4), str)
    except Exception:  # a class may define how it is pickled, and raise anything
        return False


def is_same(value: Any, other: Any) -> bool:
    """Whether two values are equal, and of the same builtin types throughout."""
    if type(value) is not type(other):
        return False
    if isinstance(value, dict):
        return is_same([*value.items()], [*other.items()])
    if isinstance(value, list | tuple):
        return len(value) == len(other) and all(map(is_same, value, other))
    return bool(value == other)


def _is_of_fields(kind: type) -> bool:
    """Whether its attributes are fields (dataclasses, attrs, pydantic), not what it has computed
    for itself, as a path has its parts.
    """
    return any(hasattr(kind, mark) for mark in _FIELDS)


def _is_frozen(kind: type) -> bool:
    parameters = getattr(kind, "__dataclass_params__", None)
    return issubclass(kind, enum.Enum) or (
        dataclasses.is_dataclass(kind) and getattr(parameters, "frozen", False)
    )
