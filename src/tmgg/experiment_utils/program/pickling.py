"""Pickles that name what the script defines instead of copying it.

cloudpickle copies every function and class of `__main__`. In a job the copies would differ from
those of the script loaded there, and could not be pickled again. Here objects that loading the
script defines are pickled by name. Others, for example those defined in the guarded part, are
copied; the copied functions use the globals of the job's `__main__`.
"""

import functools
import io
import operator
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from types import CodeType, FunctionType, ModuleType
from typing import Any

import cloudpickle

from tmgg.errors import TaskError
from tmgg.experiment_utils.program.captured import Program
from tmgg.experiment_utils.program.changeable import is_changeable, is_same
from tmgg.experiment_utils.program.changed_attributes import changed_attributes
from tmgg.experiment_utils.program.parts import attribute_of
from tmgg.experiment_utils.program.script import MAIN, Script, script_with
from tmgg.experiment_utils.program.users import changeable_in, held_by_code, used_names

PICKLING_ERRORS = (Exception,)
"""The errors of pickling: classes define how they are pickled, and may raise anything."""


class Names:
    """Which names of `__main__` a job gets by loading the script, and with the same values."""

    def __init__(self, program: Program) -> None:
        self.program = program
        self._script: Script | None = None
        if program.is_loadable:
            self._script = script_with(program.source_when_submitted(), str(program.script))

    def is_loaded(self, name: str) -> bool:
        """Whether loading the script defines the name in a job."""
        first = name.partition(".")[0]  # the class, if it is an attribute of a class
        return self._script is not None and first in self._script.defined

    def must_travel(self, name: str) -> bool:
        """Whether the name may be bound to another object than loading the script gives."""
        return not self.is_loaded(name) or name in self._script.changed  # type: ignore[union-attr]

    def may_differ(self, name: str, value: object) -> bool:
        """Whether loading the script may give another value: the name was bound again, or its value
        was changed in place.
        """
        if self._script is None or self.must_travel(name):
            return True
        touched, literals = self._script.touched, self._script.literals
        if name not in touched.names or (name in literals and is_same(value, literals[name])):
            return False
        return touched.is_any_bound or is_changeable(value)

    def is_bound_once(self, name: str) -> bool:
        """Whether the name is still bound to the object that loading the script makes, which may
        have been changed in place.
        """
        if self._script is None or not self.is_loaded(name) or self._script.touched.is_any_bound:
            return False
        return name not in self._script.bound_again

    def is_set_once(self, attribute: str) -> bool:
        """Whether no code of the script may set an attribute of this name, of any object."""
        known = None if self._script is None else self._script.attributes_set
        return known is not None and attribute not in known

    def changed_attributes(self, holder: type | FunctionType) -> dict[str, Any]:
        """Attributes of a class or a function of the script, such as `Config.rate`, that may have
        been set after loading.
        """
        return changed_attributes(holder, self._attributes_touched)

    def is_set(self, name: str) -> bool:
        """Whether the script's text sets an attribute such as `Config.rate`, of some object."""
        _holder, dot, attribute = name.rpartition(".")
        return bool(dot) and attribute in self._attributes_touched

    @property
    def _attributes_touched(self) -> frozenset[str]:
        return frozenset() if self._script is None else self._script.attributes_touched


def dumps(value: object, program: Program) -> bytes:
    """Pickle `value` for a process that has loaded the program, or will."""
    buffer = io.BytesIO()
    dump(value, buffer, program)
    return buffer.getvalue()


def dump(value: object, file: io.BytesIO, program: Program) -> None:
    """As `dumps`, into a file."""
    Pickler(file, Names(program)).dump(value)


def globals_for(users: Iterable[object], program: Program) -> dict[str, Any]:
    """By name: values that functions in `users` use, and that differ from those of a loaded script.

    Functions and classes that loading defines are left out.
    """
    names = Names(program)
    main = sys.modules[MAIN]
    seen: dict[int, object] = {}
    used = {name: main.__dict__[name] for name in sorted(used_names(users, main, seen))}
    used |= _held_in(seen.values(), names, without=used)
    holders: list[Any] = [
        each for each in seen.values() if issubclass(type(each), FunctionType | type)
    ]
    attributes = [names.changed_attributes(each) for each in holders]
    found = {name: value for name, value in used.items() if names.may_differ(name, value)}
    own = {
        name: value
        for name, value in found.items()
        if not (names.is_loaded(name) and _is_definition(value, name))
    }
    rest = {name: value for name, value in used.items() if name not in found}
    return functools.reduce(operator.or_, attributes, _with_sharing(own, rest))


def _held_in(seen: Iterable[object], names: Names, *, without: Mapping[str, Any]) -> dict[str, Any]:
    """Other globals that functions and classes among `seen` hold.

    Those that may have been changed also count if only a part of them is held.
    """
    held = held_by_code(seen)
    main = vars(sys.modules[MAIN]) if held else {}
    others = {name: value for name, value in main.items() if name not in without}
    return {
        name: value
        for name, value in others.items()
        if names.is_loaded(name)
        and is_changeable(value)
        and (id(value) in held or (names.may_differ(name, value) and _is_any_in(value, held)))
    }


def _is_any_in(value: object, ids: set[int]) -> bool:
    return not ids.isdisjoint(changeable_in(value))


def _with_sharing(sent: dict[str, Any], rest: dict[str, Any]) -> dict[str, Any]:
    """Add those of `rest` that share an object with one that is sent.

    Otherwise, for example, an optimizer that is not sent would have other parameters than its
    model, which is sent.
    """
    waiting = [*sent.values()]
    inside = {name: changeable_in(each) for name, each in rest.items() if is_changeable(each)}
    while waiting and inside:
        there = changeable_in(waiting.pop())
        for name in [name for name, ids in inside.items() if not ids.isdisjoint(there)]:
            del inside[name]
            sent = {**sent, name: rest[name]}
            waiting.append(rest[name])
    return sent


class Pickler(cloudpickle.Pickler):  # type: ignore[misc]
    """Pickles by name what loading the script defines; see the module's docstring."""

    def __init__(self, file: io.BytesIO, names: Names) -> None:
        super().__init__(file)
        self._names = names
        self._main = sys.modules[MAIN]

    def reducer_override(self, value: Any) -> Any:
        if isinstance(value, FunctionType | type):
            place = self._place(value)
            if place is not None:
                return find_in_main, place
            if getattr(value, "__globals__", None) is self._main.__dict__:
                return self._in_main(super().reducer_override(value))
        return super().reducer_override(value)

    def _place(self, value: Any) -> tuple[str, int] | None:
        """The value's name in the script, and how often to unwrap the object with this name.

        None if loading the script does not define it.
        """
        if value.__module__ != MAIN:
            return None
        name = value.__qualname__
        if not self._names.is_loaded(name.partition(".")[0]):
            return None
        for depth, found in enumerate(_layers(name, self._main)):
            if found is value:
                return name, depth
        return None

    def _in_main(self, reduced: Any) -> Any:
        """Let a copied function use the globals of the job's `__main__`."""
        match reduced:
            case (make, (code, dict(), *rest), (state, {"__globals__": used, **slots}), *more):
                travels = {
                    name: value for name, value in used.items() if self._names.must_travel(name)
                }
                return (
                    make_in_main,
                    (make, code, tuple(rest)),
                    (state, {**slots, "__globals__": travels}),
                    *more,
                )
        return reduced  # another cloudpickle has another form: the copy gets its own globals


def find_in_main(name: str, depth: int) -> object:
    """The object `name` of this process's script, unwrapped `depth` times."""
    main = sys.modules[MAIN]
    found = None
    for at, found in enumerate(_layers(name, main)):
        if at == depth:
            return found
    raise TaskError(
        f"{getattr(main, '__file__', MAIN)} has no {name!r} for this run: another script "
        "submitted it, or the script defines the name only where it was submitted."
    )


def make_in_main(make: Callable[..., Any], code: CodeType, rest: tuple[Any, ...]) -> Any:
    """Make a copied function that uses the globals of this process's `__main__`."""
    namespace = sys.modules[MAIN].__dict__
    builtins = namespace["__builtins__"]
    made = make(code, namespace, *rest)
    namespace["__builtins__"] = builtins
    return made


def _layers(name: str, main: ModuleType) -> Iterator[object]:
    """The object `name`, then the object that it wraps, and so on."""
    found: Any = main
    for part in name.split("."):
        found = attribute_of(found, part)
    seen: list[object] = []
    while found is not None and not any(found is each for each in seen):
        seen.append(found)
        yield found
        found = attribute_of(found, "__wrapped__")


def _is_definition(value: object, name: str) -> bool:
    """Whether a `def` or `class` of that name, or an import, made the value."""
    if isinstance(value, ModuleType):
        return True
    if not isinstance(value, FunctionType | type):
        return False
    return value.__module__ == MAIN and value.__qualname__ == name
