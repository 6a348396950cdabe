"""Where the objects are that loading a script makes: a job finds them at the same place.

A place is a module's name and steps from there: the name of an attribute, or a tuple with the key
of an item. The default of `def work(cfg=CFG)` is at `__main__`, `work`, `__defaults__`, `(0,)`.
"""

import functools
import sys
from collections.abc import Callable, Collection, Iterator
from types import FunctionType, MethodType, ModuleType
from typing import Any

from tmgg.experiment_utils.program.parts import content_of, vars_of
from tmgg.experiment_utils.program.script import MAIN

Step = str | tuple[Any]
Place = tuple[Step, ...]


def places_of(
    ids: Collection[int], is_bound_once: Callable[[str], bool], is_set_once: Callable[[str], bool]
) -> dict[int, Place]:
    """By id: a place of each object in `ids` that loading the script, or a module, makes.

    An object that has no such place is left out. A global of the script counts if `is_bound_once`
    says that it is still bound to what loading makes; an attribute counts if `is_set_once` says
    that no code of the script may have set an attribute of this name.
    """
    main = vars(sys.modules[MAIN])
    same = {name: value for name, value in main.items() if is_bound_once(name)}
    found: dict[int, Place] = {}
    for name, value in same.items():
        if id(value) in ids:
            found.setdefault(id(value), (MAIN, name))
    for name, value in same.items():
        for place, part in _held(value, (MAIN, name), set()):
            if id(part) in ids and all(
                is_set_once(step) for step in place[2:] if isinstance(step, str)
            ):
                found.setdefault(id(part), place)
    for module, name, value in _in_modules():
        if id(value) in ids and is_set_once(name):
            found.setdefault(id(value), (module, name))
    return found


def object_at(place: Place) -> Any:
    """The object at a place of this process; None if there is none."""
    module, *steps = place
    found: Any = sys.modules.get(str(module))
    try:
        for step in steps:
            found = _after(found, step)
    except (AttributeError, LookupError, TypeError, ValueError):  # the script was edited
        return None
    return found


def name_of(place: Place) -> str:
    """The place for a message: `work.__defaults__[0]`."""
    module, *steps = place
    names = [f".{step}" if isinstance(step, str) else f"[{step[0]!r}]" for step in steps]
    return "".join(names).lstrip(".") if module == MAIN else f"{module}{''.join(names)}"


def _after(value: Any, step: Step) -> Any:
    if isinstance(step, tuple):
        return value[step[0]]
    own = vars(value) if isinstance(value, type) else vars_of(value)
    return own[step] if step in own else getattr(value, step)


def _in_modules() -> Iterator[tuple[str, str, Any]]:
    for module_name, module in sys.modules.copy().items():
        if type(module) is ModuleType and module is not sys.modules[MAIN]:
            for name, value in vars(module).copy().items():
                yield module_name, name, value


def _held(value: Any, place: Place, seen: set[int]) -> Iterator[tuple[Place, Any]]:
    """What functions, classes, methods and partials hold, directly or one within the other."""
    if id(value) in seen:
        return
    seen.add(id(value))
    for steps, part in _parts(value):
        yield (*place, *steps), part
        yield from _held(part, (*place, *steps), seen)


def _parts(value: Any) -> Iterator[tuple[Place, Any]]:
    kind = type(value)
    if issubclass(kind, type):
        if value.__module__ == MAIN:
            yield from (((name,), part) for name, part in vars(value).items())
    elif issubclass(kind, FunctionType):
        yield from _items("__defaults__", value.__defaults__ or ())
        yield from _pairs("__kwdefaults__", value.__kwdefaults__ or {})
        for at, cell in enumerate(value.__closure__ or ()):
            yield ("__closure__", (at,), "cell_contents"), content_of(cell)
        yield from (((name,), part) for name, part in vars(value).items())
    elif issubclass(kind, staticmethod | classmethod):
        yield ("__func__",), value.__func__
    elif issubclass(kind, MethodType):
        yield ("__func__",), value.__func__
        yield ("__self__",), value.__self__
    elif issubclass(kind, property):
        yield from (((name,), getattr(value, name)) for name in ("fget", "fset", "fdel"))
    elif issubclass(kind, functools.partial):
        yield ("func",), value.func
        yield from _items("args", value.args)
        yield from _pairs("keywords", value.keywords)
    elif "__wrapped__" in vars_of(value):  # functools.lru_cache
        yield ("__wrapped__",), vars_of(value)["__wrapped__"]


def _items(name: str, values: tuple[Any, ...]) -> Iterator[tuple[Place, Any]]:
    yield from (((name, (at,)), part) for at, part in enumerate(values))


def _pairs(name: str, values: dict[str, Any]) -> Iterator[tuple[Place, Any]]:
    yield from (((name, (key,)), part) for key, part in values.items())
