"""Whether a value can be changed in place, and whether two values are the same."""

import dataclasses
import enum
import functools
import logging
from types import BuiltinFunctionType, FunctionType, MethodType, ModuleType
from typing import Any

from tmgg.experiment_utils.program.parts import attribute_of, attributes_of, has_content
from tmgg.experiment_utils.program.script import MAIN

_CODE = (FunctionType, BuiltinFunctionType, MethodType, ModuleType, type, functools.partial)
_BY_NAME = (*_CODE, logging.Logger)
"""Types of objects that a job finds by name, or makes from objects that it finds by name."""


def is_changeable(value: object) -> bool:
    """Whether code may have changed the value, so that loading the script makes another one.

    If a class compares and hashes its objects by their content, the content does not change: so it
    is for numbers, texts, paths, times and devices.
    """
    kind = type(value)
    if issubclass(kind, _BY_NAME) or kind is object or attribute_of(value, "__wrapped__"):
        return False
    if not (has_content(kind) or attributes_of(value)):
        return False  # a marker such as `MISSING = Missing()`, which is compared by identity
    if issubclass(kind, tuple | frozenset):
        return any(map(is_changeable, value))  # type: ignore[call-overload]
    if hasattr(kind, "__setitem__"):
        return True
    if kind.__hash__ in (None, object.__hash__):  # it is not hashed by its content
        return not _is_pickled_by_name(value)
    return kind.__module__ == MAIN and not _is_frozen(kind)


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


def _is_frozen(kind: type) -> bool:
    parameters = getattr(kind, "__dataclass_params__", None)
    return issubclass(kind, enum.Enum) or (
        dataclasses.is_dataclass(kind) and getattr(parameters, "frozen", False)
    )
