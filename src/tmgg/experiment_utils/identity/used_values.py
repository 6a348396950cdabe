"""Values of the script that a function uses, whether they are sent with it or made by loading.

These are the script's globals, and what its functions and classes hold: defaults, closures and
attributes. A script may compute them from its command line, a file or the folder that it runs in.
A value that the script's text shows (`RATE = 0.1`) is part of the code's version, so it is left
out. So is a value without stable content (a lock), and one of more than `MOST_PARTS` parts.
"""

import enum
import sys
import types
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

from tmgg.experiment_utils.identity.fingerprints import digest, stable_fingerprint
from tmgg.experiment_utils.identity.read_arguments import may_read_arguments
from tmgg.experiment_utils.program.captured import capture_program
from tmgg.experiment_utils.program.changeable import is_same
from tmgg.experiment_utils.program.parts import content_of, is_of_python, vars_of
from tmgg.experiment_utils.program.script import MAIN, Script, script_with
from tmgg.experiment_utils.program.users import used_names

_CODE = (types.FunctionType, staticmethod, classmethod, property)
"""Attributes of a class whose functions are found by themselves."""
_SLOTS = (types.MemberDescriptorType, types.GetSetDescriptorType)


@dataclass(frozen=True, slots=True)
class Used:
    """What a function uses of its script."""

    values: dict[str, str] = field(default_factory=dict)
    """Fingerprints by name: `__main__.CFG`, `__main__.Net.rate`, `__main__.work(rate)`."""
    may_need_arguments: bool = False
    """Whether the command line may matter beyond the values: the code reads it, or a value cannot
    be compared."""

    def __or__(self, other: "Used") -> "Used":
        needs = self.may_need_arguments or other.may_need_arguments
        return Used(self.values | other.values, needs)


class ScriptValues:
    """The values of this process's script."""

    def __init__(self) -> None:
        program = capture_program()
        self._main = sys.modules[MAIN]
        self._script: Script | None = None
        if program.is_loadable:
            self._script = script_with(program.source_when_submitted(), str(program.script))

    def used_by(self, users: Iterable[object], *, sent: Collection[str] = ()) -> Used:
        """What the functions in `users` use; without the values named in `sent`."""
        seen: dict[int, object] = {}
        names = used_names(users, self._main, seen)
        reads = may_read_arguments(seen.values())
        if self._script is None:  # all values are sent
            return Used(may_need_arguments=reads)
        found: dict[str, list[str | None]] = {}
        for name, value in (*self._globals(names), *self._held(seen.values())):
            label = f"{MAIN}.{name}"
            if label not in sent:
                found.setdefault(label, []).append(stable_fingerprint(value))
        known = {name: sorted(filter(None, each)) for name, each in sorted(found.items())}
        is_any_unknown = any(None in each for each in found.values())
        values = {name: digest(each) for name, each in known.items() if each}
        return Used(values, may_need_arguments=reads or is_any_unknown)

    def _is_own(self, value: object) -> bool:
        return type(value) is types.FunctionType and value.__globals__ is vars(self._main)

    def _globals(self, names: Iterable[str]) -> Iterator[tuple[str, Any]]:
        for name in names:
            value = vars(self._main)[name]
            if not (is_of_python(name) or _is_named(value, name) or self._is_text(value, name)):
                yield name, value

    def _held(self, seen: Iterable[object]) -> Iterator[tuple[str, Any]]:
        classes: dict[type, None] = {}
        for each in seen:
            if self._is_own(each):
                yield from self._held_by_function(each)
            elif isinstance(each, type):
                classes |= dict.fromkeys(each.__mro__)
        for kind in classes:
            if kind.__module__ == MAIN:
                yield from self._held_by_class(kind)

    def _held_by_function(self, function: Any) -> Iterator[tuple[str, Any]]:
        name = function.__qualname__
        owner = name.rpartition(".")[0]
        for parameter, value in _parameters(function):
            # `__init__` of a dataclass has the defaults that the class shows.
            if not self._is_text(value, f"{name}({parameter})", f"{owner}.{parameter}"):
                yield f"{name}({parameter})", value
        for attribute, value in vars_of(function).items():
            if not is_of_python(attribute):
                yield f"{name}.{attribute}", value

    def _held_by_class(self, kind: type) -> Iterator[tuple[str, Any]]:
        held: dict[str, Any] = dict(vars(kind))
        if issubclass(kind, enum.Enum):
            held = {name: member.value for name, member in kind.__members__.items()}
        for attribute, value in held.items():
            name = f"{kind.__qualname__}.{attribute}"
            is_code = isinstance(value, (*_CODE, *_SLOTS)) or attribute == "_abc_impl"
            is_code = is_code or is_of_python(attribute) or _is_named(value, name)
            if not (is_code or self._is_text(value, name)):
                yield name, value

    def _is_text(self, value: object, *names: str) -> bool:
        """Whether the script's text shows the value, under one of the names."""
        texts = self._script.texts if self._script is not None else {}
        return any(name in texts and is_same(value, texts[name]) for name in names)


def _parameters(function: types.FunctionType) -> Iterator[tuple[str, Any]]:
    """The defaults of a function's parameters, and the variables that it closes over."""
    code = function.__code__
    defaults = function.__defaults__ or ()
    positional = code.co_varnames[: code.co_argcount]
    yield from zip(positional[len(positional) - len(defaults) :], defaults, strict=True)
    yield from (function.__kwdefaults__ or {}).items()
    for name, cell in zip(code.co_freevars, function.__closure__ or (), strict=True):
        yield name, content_of(cell)


def _is_named(value: object, name: str) -> bool:
    """Whether it is a module, or what a `def` or `class` of this name has made."""
    if isinstance(value, types.ModuleType):
        return value.__name__.rpartition(".")[2] == name
    if not isinstance(value, types.FunctionType | type):
        return False
    return value.__module__ == MAIN and value.__qualname__ == name
