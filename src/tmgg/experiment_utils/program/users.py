"""Finds the script's functions in a value, and the names of the script that they use.

These are all functions that a job may call: methods of an object's class and of its base classes,
and functions in a list or a dict, or in a partial or a closure.
"""

import collections
import functools
import logging
from collections.abc import Iterable, Iterator
from types import (
    BuiltinFunctionType,
    CellType,
    CodeType,
    FunctionType,
    MethodType,
    ModuleType,
)
from typing import Any

from tmgg.experiment_utils.program.changeable import is_changeable
from tmgg.experiment_utils.program.parts import attributes_of, content_of
from tmgg.experiment_utils.program.script import MAIN

_LEAVES = frozenset(
    (str, bytes, bytearray, int, float, complex, bool, type(None), ModuleType, CodeType)
)
_BY_NAME = (type, FunctionType, logging.Logger)
_CODE = (type, FunctionType, MethodType, BuiltinFunctionType, functools.partial)
_ITEMS = (list, tuple, set, frozenset, collections.deque)


def functions_in(
    values: Iterable[object], main: ModuleType, seen: dict[int, object] | None = None
) -> Iterator[FunctionType]:
    """The script's functions in the values. `seen` has the objects searched before, by id."""
    for value in _all_in(values, {} if seen is None else seen):
        if type(value) is FunctionType and value.__globals__ is vars(main):
            yield value


def used_names(
    values: Iterable[object], main: ModuleType, seen: dict[int, object] | None = None
) -> set[str]:
    """Names in `main` that functions in the values use, directly or through other names there.

    All objects that were searched are added to `seen`, by id.
    """
    known = vars(main)
    names: set[str] = set()
    seen = {} if seen is None else seen
    waiting = list(values)
    while waiting:
        codes = [each.__code__ for each in functions_in(waiting, main, seen)]
        new = {name for code in codes for name in mentioned(code) if name in known} - names
        names |= new
        waiting = [known[name] for name in new]
    return names


def changeable_in(value: object) -> set[int]:
    """Ids of the changeable objects in the value, of which a copy of the value has copies."""
    return {*changeables_in([value])}


def changeables_in(values: Iterable[object]) -> dict[int, object]:
    """As `changeable_in`, for several values: the objects by id."""
    found = _all_in(values, {}, without=_BY_NAME)
    return {id(each): each for each in found if is_changeable(each)}


def held_by_code(seen: Iterable[object]) -> set[int]:
    """Ids of the changeable objects that functions, classes and methods among `seen` hold: default
    arguments, closures, attributes of classes.
    """
    held = [part for each in seen if issubclass(type(each), _CODE) for part in _inside(each)]
    return {*changeables_in(held)}


def mentioned(code: CodeType) -> Iterator[str]:
    """Names of globals and attributes in a function's code, and in the functions within it."""
    yield from code.co_names
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from mentioned(constant)


def _all_in(
    values: Iterable[object], seen: dict[int, object], *, without: tuple[type, ...] = ()
) -> Iterator[object]:
    """The values and all objects in them, each once.

    Objects of the types `without` are left out, with their content. So are the objects in `seen`;
    the others are added to it.
    """
    waiting = list(values)
    while waiting:
        value = waiting.pop()
        kind = type(value)
        if kind in _LEAVES or id(value) in seen or issubclass(kind, without):
            continue
        seen[id(value)] = value
        yield value
        waiting.extend(_inside(value))


def _inside(value: Any) -> list[Any]:
    # By the type: `isinstance` would read the object's `__class__`, which may be computed.
    kind = type(value)
    if issubclass(kind, type):
        bases = [base for base in value.__mro__ if vars(base).get("__module__") == MAIN]
        return [each for base in bases for each in vars(base).values()]
    if issubclass(kind, CellType):
        return [content_of(value)]
    found = [kind, *attributes_of(value)]
    if issubclass(kind, FunctionType):
        found += [value.__defaults__, value.__kwdefaults__, *(value.__closure__ or ())]
    elif issubclass(kind, MethodType):
        found += [value.__func__, value.__self__]
    elif issubclass(kind, BuiltinFunctionType):
        found.append(value.__self__)
    elif issubclass(kind, staticmethod | classmethod):
        found.append(value.__func__)
    elif issubclass(kind, property):
        found += [value.fget, value.fset, value.fdel]
    elif issubclass(kind, functools.partial):
        found += [value.func, value.args, value.keywords]
    elif issubclass(kind, dict):
        found += [*dict.keys(value), *dict.values(value)]
    for items in _ITEMS:
        if issubclass(kind, items):
            found += items.__iter__(value)
    return found
