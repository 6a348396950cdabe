"""The parts of an object, found without code of its class such as `__getattr__` or `__iter__`."""

import inspect
import struct
from types import CellType, MemberDescriptorType
from typing import Any
from weakref import WeakKeyDictionary

_POINTER_BYTES = struct.calcsize("P")
HEAP_TYPE = 1 << 9
"""Py_TPFLAGS_HEAPTYPE: the class was made at run time, not in the interpreter or an extension."""
_slots: WeakKeyDictionary[type, list[MemberDescriptorType]] = WeakKeyDictionary()
"""A cache of `slots_of`, because many objects have the same class."""


def is_of_python(name: str) -> bool:
    """Whether it is a name such as `__doc__`."""
    return name.startswith("__") and name.endswith("__")


def vars_of(value: object) -> dict[str, Any]:
    """The object's `__dict__`; an empty dict if it has none."""
    try:
        found = object.__getattribute__(value, "__dict__")
    except AttributeError:
        return {}
    return found if isinstance(found, dict) else {}


def slots_of(kind: type) -> list[MemberDescriptorType]:
    """The slots of a class's instances, also those of base classes; not members of C classes."""
    if kind not in _slots:
        bases = [base for base in kind.__mro__ if base.__flags__ & HEAP_TYPE]
        held = [each for base in bases for each in vars(base).values()]
        _slots[kind] = [each for each in held if isinstance(each, MemberDescriptorType)]
    return _slots[kind]


def attributes_of(value: object) -> list[Any]:
    """The values of an object's attributes, from its `__dict__` and its slots."""
    found = list(vars_of(value).values())
    for slot in slots_of(type(value)):
        try:
            found.append(slot.__get__(value))
        except AttributeError:  # the slot is not set
            continue
    return found


def has_content(kind: type) -> bool:
    """Whether instances have content besides their attributes, as a dict or an array has.

    An instance's size in memory shows it: a pointer for each slot, and more if it has content that
    only C code sees.
    """
    pointers = len(slots_of(kind)) + (kind.__dictoffset__ > 0) + (kind.__weakrefoffset__ > 0)
    room = kind.__basicsize__ - object.__basicsize__
    return bool(kind.__itemsize__) or room > pointers * _POINTER_BYTES


def content_of(cell: CellType) -> Any:
    """The value of a closure's variable; None while it has none."""
    try:
        return cell.cell_contents
    except ValueError:
        return None


def attribute_of(value: object, name: str) -> Any:
    """An attribute of the object; None if only `__getattr__` would make it, or if it raises."""
    if inspect.getattr_static(value, name, None) is None:
        return None
    try:
        return getattr(value, name, None)
    except Exception:  # a property may raise anything
        return None
