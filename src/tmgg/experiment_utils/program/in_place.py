"""Gives an object that a job has already the content that the submitter's object has.

Default arguments, closures and other modules refer to the objects that loading the script made. If
the submitter changed such an object in place, the job changes its own in place, too, so that all
that refer to it see the change.
"""

import array
import collections
import copy
import copyreg
import random
from collections.abc import Callable, Collection
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

from tmgg.experiment_utils.program import arrays_in_place
from tmgg.experiment_utils.program.parts import has_content, slots_of, vars_of

_MAPPINGS = (dict, collections.OrderedDict, collections.defaultdict, collections.Counter)
_SEQUENCES = (list, bytearray, array.array)
_COLLECTIONS = frozenset((*_MAPPINGS, *_SEQUENCES, set, collections.deque))
_BASES: tuple[Any, ...] = (collections.OrderedDict, dict, list, collections.deque)
"""Classes whose content the pickle of an object of a derived class has as items or pairs."""


@dataclass(frozen=True, slots=True)
class Content:
    """An object's content, which is pickled without the object itself."""

    kind: type
    form: object
    """What cannot be changed in place: the shape of an array, the maximum length of a deque."""
    make: Callable[..., Any]
    """Makes, with `arguments`, an object to be filled, for a job that has no such object."""
    arguments: tuple[Any, ...]
    parts: tuple[Any, ...]
    """A copy of the object; or its state, its items, its pairs of keys and values, and the names of
    attributes that its pickle leaves out."""


def content_of(value: Any) -> Content | None:
    """The content of an object; None if it cannot be given to another object of the class."""
    kind = type(value)
    try:
        if kind in _COLLECTIONS:
            arguments = _arguments(value)
            copied = (copy.copy(value),)
            return None if vars_of(value) else Content(kind, _form(value), kind, arguments, copied)
        if arrays_in_place.is_array(value):
            make, arguments = arrays_in_place.makes(value)
            copied = (arrays_in_place.copy_of(value),)
            return Content(kind, _form(value), make, arguments, copied)
        return _of_object(value)
    except Exception:  # a class may define how it is pickled, and raise anything
        return None


def fits(value: Any, kind: type, form: object) -> bool:
    """Whether the object can get the content of an object of this class and form."""
    return type(value) is kind and _form(value) == form


def fill(target: Any, parts: tuple[Any, ...]) -> None:
    """Replace the content of `target`. Raises any error that its class raises."""
    match parts:
        case (copied,):
            _fill_from(target, copied)
        case (state, items, pairs, left_out):
            _empty(target, left_out)
            if items:
                target.extend(items)
            for key, item in pairs:
                target[key] = item
            _set_state(target, state)


def _of_object(value: Any) -> Content | None:
    """From the parts that a pickle of the object would have, if they are all of its content."""
    kind = type(value)
    if kind in copyreg.dispatch_table or (has_content(kind) and not _is_built_on(kind)):
        return None
    make, arguments, *more = value.__reduce_ex__(4)
    state, items, pairs = (*more, None, None, None)[:3]
    is_new = make is copyreg.__newobj__ and arguments == (kind,)  # type: ignore[attr-defined]
    is_plain = kind in (SimpleNamespace, random.Random) and (make, arguments) == (kind, ())
    if not (is_new or is_plain):
        return None
    lists = [[] if each is None else [*each] for each in (items, pairs)]
    return Content(kind, _form(value), make, arguments, (state, *lists, _left_out(value, state)))


def _left_out(value: Any, state: Any) -> list[str]:
    """Attributes that are not in the state, such as an open file: a job keeps its own."""
    attributes = state[0] if isinstance(state, tuple) and len(state) == 2 else state
    is_known = type(attributes) is dict
    return [name for name in vars_of(value) if name not in attributes] if is_known else []


def _is_built_on(kind: type) -> bool:
    return issubclass(kind, (*_BASES, random.Random, SimpleNamespace))


def _arguments(value: Any) -> tuple[Any, ...]:
    match value:
        case collections.deque():
            return (), value.maxlen
        case array.array():
            return (value.typecode,)
    return ()


def _form(value: Any) -> object:
    if isinstance(value, collections.deque):
        return value.maxlen
    if isinstance(value, array.array):
        return value.typecode
    return arrays_in_place.form_of(value) if arrays_in_place.is_array(value) else None


def _fill_from(target: Any, copied: Any) -> None:
    kind = type(target)
    if arrays_in_place.is_array(target):
        arrays_in_place.fill(target, copied)
    elif kind in _SEQUENCES:
        target[:] = copied
    elif kind in _MAPPINGS:
        target.clear()
        if kind is collections.defaultdict:
            target.default_factory = copied.default_factory
        for key, item in copied.items():
            target[key] = item
    else:
        target.clear()
        getattr(target, "update" if kind is set else "extend")(copied)


def _empty(target: Any, keep: Collection[str]) -> None:
    kind = type(target)
    attributes = vars_of(target)
    for name in [name for name in attributes if name not in keep]:
        del attributes[name]
    for slot in slots_of(kind):
        if hasattr(target, slot.__name__):
            slot.__delete__(target)
    for base in _BASES:
        if issubclass(kind, base):
            base.clear(target)
            return


def _set_state(target: Any, state: Any) -> None:
    """As unpickling does it."""
    if state is None:
        return
    if hasattr(target, "__setstate__"):
        target.__setstate__(state)
        return
    attributes, slots = state if isinstance(state, tuple) and len(state) == 2 else (state, None)
    vars_of(target).update(attributes or {})
    for name, value in (slots or {}).items():
        setattr(target, name, value)
