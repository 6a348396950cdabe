"""Functions of the script that a value leads to, and the names of the script that they use.

A job may call each of them: the methods of an object's class and of its base classes, what is in a
list or a dict, what a partial or a closure holds.
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
from tmgg.experiment_utils.program.parts import attributes_of
from tmgg.experiment_utils.program.script import MAIN

_LEAVES = frozenset(
    (str, bytes, bytearray, int, float, complex, bool, type(None), ModuleType, CodeType)
)
_BY_NAME = (type, FunctionType, logging.Logger)
_ITEMS = (list, tuple, set, frozenset, collections.deque)


def functions_in(
    values: Iterable[object], main: ModuleType, seen: dict[int, object] | None = None
) -> Iterator[FunctionType]:
    """The script's functions in the values. `seen` has what was looked into before, by id."""
    seen = {} if seen is None else seen
    waiting = list(values)
    while waiting:
        value = waiting.pop()
        if type(value) in _LEAVES or id(value) in seen:
            continue
        seen[id(value)] = value
        if type(value) is FunctionType and value.__globals__ is vars(main):
            yield value
        waiting.extend(_inside(value))


def used_names(
    values: Iterable[object], main: ModuleType, seen: dict[int, object] | None = None
) -> set[str]:
    """Names in `main` that functions in the values, or what these use there, mention.

    `seen` gets all that was looked into, by id.
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
    """Ids of the objects that a copy of the value would have copies of, and that may change."""
    found: set[int] = set()
    waiting, seen = [value], dict[int, object]()
    while waiting:
        each = waiting.pop()
        if type(each) in _LEAVES or id(each) in seen or issubclass(type(each), _BY_NAME):
            continue
        seen[id(each)] = each
        if is_changeable(each):
            found.add(id(each))
        waiting.extend(_inside(each))
    return found


def mentioned(code: CodeType) -> Iterator[str]:
    """Names of globals and attributes in a function's code, and in what is defined in it."""
    yield from code.co_names
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from mentioned(constant)


def _inside(value: Any) -> list[Any]:
    # By the type: `isinstance` would ask an object for its `__class__`, which may be computed.
    kind = type(value)
    if issubclass(kind, type):
        bases = [base for base in value.__mro__ if vars(base).get("__module__") == MAIN]
        return [each for base in bases for each in vars(base).values()]
    if issubclass(kind, CellType):
        return _content(value)
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


def _content(cell: CellType) -> list[Any]:
    try:
        return [cell.cell_contents]
    except ValueError:  # not filled yet
        return []
