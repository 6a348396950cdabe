"""Attributes of a script's classes and functions that may have been set after it was loaded."""

import enum
import sys
from collections.abc import Collection, Iterator
from types import FunctionType
from typing import Any

from tmgg.experiment_utils.program.attributes_set import ANY
from tmgg.experiment_utils.program.parts import attribute_of, is_of_python, vars_of
from tmgg.experiment_utils.program.script import MAIN

_METHODS = (FunctionType, staticmethod, classmethod, property)


def changed_attributes(holder: Any, names: Collection[str]) -> dict[str, Any]:
    """By name, such as `Config.rate`: attributes of a class and of its base classes, of the members
    of an enumeration, or of a function, that have one of the names.

    With ANY in `names` also all of a class that is no code.
    """
    holders = holder.__mro__ if isinstance(holder, type) else [holder]
    found: dict[str, Any] = {}
    for each in holders:
        if names and each.__module__ == MAIN and _at(each.__qualname__) is each:
            found |= {f"{each.__qualname__}.{name}": value for name, value in _of(each, names)}
    return found


def _of(holder: Any, names: Collection[str]) -> Iterator[tuple[str, Any]]:
    own = dict(vars(holder))
    if isinstance(holder, enum.EnumMeta):
        member: Any
        for member in holder.__members__.values():
            own.pop(member.name, None)
            yield from (
                (f"{member.name}.{name}", value)
                for name, value in vars_of(member).items()
                if name in names and not name.startswith("_")
            )
    for name, value in own.items():
        is_set = name in names and _can_be_set(holder, name, value)
        if is_set or (ANY in names and isinstance(holder, type) and _is_data(name, value)):
            yield name, value


def _can_be_set(holder: Any, name: str, value: Any) -> bool:
    """Whether it is not what the body of the class or the interpreter has made."""
    if is_of_python(name) and not callable(value):
        return False
    if hasattr(type(value), "__get__") and not isinstance(value, _METHODS):
        return False  # a slot, or a field that objects have: `model.rate = 5` does not replace it
    bare = attribute_of(value, "__func__") or attribute_of(value, "fget") or value
    is_code = isinstance(bare, FunctionType | type)
    return not (is_code and bare.__qualname__ == f"{holder.__qualname__}.{name}")


def _is_data(name: str, value: Any) -> bool:
    is_code = hasattr(type(value), "__get__") or isinstance(value, type)
    return not (is_code or is_of_python(name))


def _at(name: str) -> Any:
    """The object with a qualified name in the script; None if there is none."""
    found: Any = sys.modules[MAIN]
    for part in name.split("."):
        found = attribute_of(found, part)
    return found
