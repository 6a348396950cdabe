"""A hash of any value: the same in every process for equal values, another one for different ones.

Functions and classes that the job gets by reference count by their name. Those that are sent by
value (see `travelling`) count completely, with the globals that they use. Other objects are hashed
by the parts that pickling would take from them, each like any other value. Whole pickles would not
do: those of equal values differ between processes, by the order of sets and by addresses. A value
that cannot be pickled gets a hash that no other value ever has. So two values with the same
fingerprint are equal, but equal values may have different fingerprints. A run is then not
recognised, which costs time, but a wrong match would give a wrong result.
"""

import copyreg
import dataclasses
import enum
import functools
import hashlib
import json
import secrets
import sys
import types
from collections.abc import Iterator
from pathlib import PurePath
from typing import Any

from tmgg.experiment_utils.identity.tensor_content import as_plain_tensor
from tmgg.experiment_utils.job.travelling import Way, Ways, name_of
from tmgg.experiment_utils.program.parts import (
    attribute_of,
    content_of,
    has_content,
    slots_of,
    vars_of,
)
from tmgg.experiment_utils.program.users import functions_in, mentioned

_PROTOCOL = 4
MOST_PARTS = 100_000
"""The limit of `stable_fingerprint`: so many items, or as many KiB of arrays."""
_ERRORS = (Exception,)
"""The errors of pickling: classes define how they are pickled, and may raise anything."""
_USERS = (types.FunctionType, type, functools.partial, types.MethodType)
_SIMPLE = (bool, int, float, str)
_PLAIN = {kind: f"builtins.{kind.__name__}" for kind in (*_SIMPLE, list, tuple, dict, type(None))}
"""The classes of most values, with their names; a shortcut, because there are many values."""
_ITEMS = (list, tuple)
_SETS = (set, frozenset)
_CONTAINERS = (*_ITEMS, *_SETS, dict)
_BYTES = (bytes, bytearray)
_GENERATED = ("__dict__", "__weakref__", "__module__", "__doc__", "__qualname__", "_abc_impl")
_OF_SOURCE = ("__firstlineno__", "__static_attributes__", "__annotations__", "__annotate__")
_OF_LATER = ("__annotate_func__", "__annotations_cache__")
_OF_DATACLASS = ("__dataclass_fields__", "__dataclass_params__", "__match_args__")
_OF_NO_ACCOUNT = frozenset((*_GENERATED, *_OF_SOURCE, *_OF_LATER, *_OF_DATACLASS))
"""Attributes of a class that do not matter for what it does, or repeat other attributes."""


def fingerprint(value: object) -> str:
    """The hash of a value; see the module's docstring."""
    return fingerprint_and_modules(value)[0]


def fingerprint_and_modules(value: object) -> tuple[str, frozenset[str]]:
    """As `fingerprint`, and the modules of its functions and classes, whose files have the code."""
    walk = Walk()
    plain = walk.plain(value)
    found = digest([plain, sorted(walk.globals.items())] if walk.globals else plain)
    return found, frozenset(walk.modules)


def stable_fingerprint(value: object) -> str | None:
    """As `fingerprint`, without globals; None if the value has no stable content, or is too large.

    No content is stable that differs each time, such as that of a lock.
    """
    walk = Walk(most_parts=MOST_PARTS)
    plain = walk.plain(value)
    return digest(plain) if walk.is_stable else None


def fingerprint_code(function: types.FunctionType) -> str:
    """A hash of a function's bytecode, for functions whose source is in no file."""
    return digest(["code", Walk().code(function.__code__)])


def digest(plain: Any) -> str:
    """A hash of JSON that `Walk` made."""
    return hashlib.sha256(json.dumps(plain).encode(errors="surrogatepass")).hexdigest()[:32]


class Walk:
    """Makes JSON of values, and of the globals that are sent with the functions in them."""

    def __init__(self, *, most_parts: int | None = None) -> None:
        """With `most_parts` the JSON of a value with more parts is not complete, nor stable."""
        self._parts_left = most_parts
        self.globals: dict[str, Any] = {}
        """By `module.name`: the global's value as JSON."""
        self.modules: set[str] = set()
        """Modules that define functions and classes of the values under their names."""
        self._ways = Ways()
        self._within: list[int] = []
        self._seen: dict[int, tuple[int, object]] = {}
        """By id: a number for each function and class that is sent by value, and the object itself,
        which keeps the id in use."""
        self._namespaces: dict[str, dict[str, Any]] = {}
        self._is_unstable = False

    def plain(self, value: Any) -> Any:
        """The value as JSON, with its type first, so that 1, True and "1" differ."""
        if self._parts_left is not None and not self._is_within_limit(value):
            return ["unknown"]
        if id(value) in self._within:
            return ["cycle", self._within.index(id(value))]
        self._within.append(id(value))
        try:
            return self._plain(value)
        except RecursionError:
            return ["unknown", self._unlike_any()]
        finally:
            self._within.pop()

    @property
    def is_stable(self) -> bool:
        """Whether the JSON of what was walked is always the same."""
        return not self._is_unstable

    def of_named(self, function: types.FunctionType) -> list[Any]:
        """What is sent beside a function's name. The globals that it uses are put in `globals`."""
        way = self._ways.of(function)
        self._walk_globals(function, way)
        parts: list[Any] = [["wraps", way.depth]] if way.depth else []
        if not way.is_reference:
            held = {
                "defaults": function.__defaults__,
                "keyword defaults": function.__kwdefaults__,
                "closed over": [content_of(cell) for cell in function.__closure__ or ()],
                "attributes": vars(function),
            }
            parts += [[name, self.plain(each)] for name, each in held.items() if each]
        return parts

    def code(self, code: types.CodeType) -> Any:
        """A code object as JSON, without its file name and line numbers, which have no effect."""
        constants = [
            self.code(each) if isinstance(each, types.CodeType) else self.plain(each)
            for each in code.co_consts
        ]
        names = [code.co_names, code.co_varnames, code.co_freevars, code.co_cellvars]
        counts = [code.co_argcount, code.co_posonlyargcount, code.co_kwonlyargcount, code.co_flags]
        text = [code.co_code.hex(), code.co_exceptiontable.hex()]
        return [text, constants, [list(each) for each in names], counts]

    def _is_within_limit(self, value: Any) -> bool:
        assert self._parts_left is not None
        self._parts_left -= _parts_of(value)
        if self._parts_left < 0:
            self._is_unstable = True
        return self._parts_left >= 0

    def _plain(self, value: Any) -> Any:
        if isinstance(value, type):
            return ["builtins.type", self._class(value)]
        kind = type(value)
        name = self._class(kind)
        if value is None or kind in _SIMPLE:
            return [name, _text(value)]
        if isinstance(value, enum.Enum):
            return [name, *self._member(value)]
        if kind in _BYTES:
            return [name, hashlib.sha256(value).hexdigest()]
        if isinstance(value, PurePath) and kind.__module__.partition(".")[0] == "pathlib":
            return ["path", str(value)]
        if kind in _ITEMS or (isinstance(value, tuple) and _is_named_tuple(value)):
            return [name, [self.plain(item) for item in value]]
        if kind in _SETS:
            return [name, sorted(json.dumps(self.plain(item)) for item in value)]
        if kind is dict:
            pairs = [[self.plain(key), self.plain(item)] for key, item in value.items()]
            return [name, sorted(pairs, key=json.dumps)]
        return [name, self._part_of_program(value)]

    def _part_of_program(self, value: Any) -> Any:
        match value:
            case types.FunctionType():
                return self._function(value)
            case functools.partial() if type(value) is functools.partial:
                return self.plain([value.func, list(value.args), value.keywords, vars(value)])
            case types.MethodType():
                return self.plain([value.__func__, value.__self__])
            case types.BuiltinFunctionType():
                self._note_module(value)
                owner = value.__self__
                is_bound = owner is not None and not isinstance(owner, types.ModuleType)
                return [name_of(value), self.plain(owner)] if is_bound else name_of(value)
            case types.ModuleType():
                self.modules.add(value.__name__)
                return value.__name__
            case types.CodeType():
                return self.code(value)
            case staticmethod() | classmethod():
                return self.plain(value.__func__)
            case property():
                return self.plain([value.fget, value.fset, value.fdel])
            case functools.cached_property():
                return self.plain(value.func)
            case types.MemberDescriptorType() | types.GetSetDescriptorType():
                return name_of(value)
        return self._object(value)

    def _function(self, function: types.FunctionType) -> Any:
        way = self._ways.of(function)
        name = name_of(function)
        if way.is_named:
            self._note_module(function)
        if way.is_reference and not way.is_script:
            return [name]
        return self._once(function) or [
            name,
            *self.of_named(function),
            *([] if way.is_named else [self.code(function.__code__)]),
        ]

    def _class(self, kind: type) -> Any:
        """The class's name; with all its content if it is sent by value."""
        if kind in _PLAIN:
            return _PLAIN[kind]
        way = self._ways.of(kind)
        name = name_of(kind)
        if way.is_named:
            self._note_module(kind)
        if way.is_reference and not way.is_script:
            return name
        again = self._once(kind)
        if way.is_reference:
            if again is None:
                for attribute, each in self._ways.changed_attributes(kind).items():
                    self.globals[f"{kind.__module__}.{attribute}"] = self._apart(each)[0]
                for method in dict.fromkeys([*_methods(kind), *_of_script([kind])]):
                    self._walk_globals(method, self._ways.of(method))
            return name
        return again or [name, self.plain(list(kind.__bases__)), self._held(kind)]

    def _held(self, kind: type) -> Any:
        held = {name: value for name, value in vars(kind).items() if name not in _OF_NO_ACCOUNT}
        if issubclass(kind, enum.Enum):
            members = {name: member.value for name, member in kind.__members__.items()}
            held = members | {
                name: each for name, each in held.items() if isinstance(each, types.FunctionType)
            }
        return [[name, self.plain(value)] for name, value in sorted(held.items())]

    def _note_module(self, value: object) -> None:
        module = getattr(value, "__module__", None)
        if isinstance(module, str):
            self.modules.add(module)

    def _once(self, value: object) -> Any:
        """A reference to a function or class that was walked before; None for a new one."""
        if id(value) in self._seen:
            return ["again", name_of(value), self._seen[id(value)][0]]
        self._seen[id(value)] = len(self._seen), value
        return None

    def _walk_globals(self, function: types.FunctionType, way: Way) -> None:
        """Note the globals that are sent with a function because it uses them, also indirectly."""
        used = function.__globals__
        for name in sorted(set(mentioned(function.__code__)) & set(used)):
            value = used[name]
            label = self._label(used, name)
            if label in self.globals:
                continue
            if self._ways.stays(value, name, used, way):
                if isinstance(value, _USERS) or attribute_of(value, "__wrapped__"):
                    self._apart(value)  # notes the globals that it uses
                elif used is vars(sys.modules["__main__"]):
                    for each in _of_script([value]):
                        self._apart(each)
                continue
            self.globals[label] = None  # before the walk, because it may use itself
            self.globals[label], is_stable = self._apart(value)
            if not is_stable and self._ways.is_left_behind(value, name, way):
                del self.globals[label]

    def _apart(self, value: Any) -> tuple[Any, bool]:
        """As `plain`, independent of the objects around it, and whether it is always the same."""
        before = self._within, self._is_unstable
        self._within, self._is_unstable = [], False
        try:
            return self.plain(value), not self._is_unstable
        finally:
            self._within, self._is_unstable = before

    def _label(self, namespace: dict[str, Any], name: str) -> str:
        """`module.name`; namespaces with the same module name get different labels."""
        module = str(namespace.get("__name__"))
        while self._namespaces.setdefault(module, namespace) is not namespace:
            module += "'"
        return f"{module}.{name}"

    def _object(self, value: Any) -> Any:
        fields = _fields(value) if dataclasses.is_dataclass(value) else None
        if fields is not None and _is_all_of(value, set(fields)):
            return self.plain(fields)
        tensor = as_plain_tensor(value)
        if tensor is not None:
            return ["tensor", tensor, self.plain(vars(value))]
        reduced = self._reduced(value)
        # Pickles of paths and arrays leave out attributes that were set on them.
        if isinstance(value, PurePath):
            fields = vars_of(value)
        elif not has_content(type(value)):
            fields = None
        return [reduced, self.plain(fields)] if fields else reduced

    def _member(self, value: enum.Enum) -> list[Any]:
        """A member's name, and its value if no single member has it (combined flags)."""
        is_named = type(value).__members__.get(value.name or "") is value
        return [value.name] if is_named else [value.name, self.plain(value.value)]

    def _reduced(self, value: Any) -> Any:
        """The parts that a pickle of the value would have."""
        try:
            reduce = copyreg.dispatch_table.get(type(value))
            parts = reduce(value) if reduce else value.__reduce_ex__(_PROTOCOL)
            if isinstance(parts, str):
                self._note_module(value)
                # A cache around a function of the script is sent by name, but not the globals that
                # the function uses.
                wrapped = attribute_of(value, "__wrapped__")
                return ["global", parts, self.plain(wrapped)]
            made, arguments, state, items, pairs, *more = (*parts, None, None, None, None)[:6]
            lists = [None if each is None else list(each) for each in (items, pairs)]
            return ["reduced", self.plain([made, arguments, state, *lists, *more])]
        except _ERRORS:
            return self._copied(value)

    def _copied(self, value: object) -> str:
        import cloudpickle  # imported here: only for values that `pickle` cannot pickle

        try:
            return hashlib.sha256(cloudpickle.dumps(value, protocol=_PROTOCOL)).hexdigest()
        except _ERRORS:
            return self._unlike_any()

    def _unlike_any(self) -> str:
        self._is_unstable = True
        return secrets.token_hex(16)


def _parts_of(value: Any) -> int:
    """The items of a list or the like, the KiB of an array or a tensor; 0 for others."""
    if type(value) in _CONTAINERS:
        return len(value)
    try:
        return int(value.nbytes) // 1024 if hasattr(type(value), "nbytes") else 0
    except _ERRORS:
        return 0


def _text(value: Any) -> str:
    try:
        return repr(value)
    except ValueError:  # an integer with more digits than Python converts
        return hex(value)


def _fields(value: Any) -> dict[str, Any] | None:
    """The fields of a dataclass; None if one of them is not set, or cannot be read."""
    try:
        return {item.name: getattr(value, item.name) for item in dataclasses.fields(value)}
    except _ERRORS:
        return None


def _is_all_of(value: Any, fields: set[str]) -> bool:
    """Whether an object has only these attributes, and no other content."""
    slots = (each.__name__ for each in slots_of(type(value)))
    return not has_content(type(value)) and {*slots, *vars_of(value)} <= fields


def _is_named_tuple(value: Any) -> bool:
    return hasattr(type(value), "_fields") and not type(value).__dictoffset__


def _of_script(values: list[Any]) -> list[types.FunctionType]:
    """The script's functions in the values, in the same order in every process."""
    main = sys.modules["__main__"]
    return sorted(functions_in(values, main), key=lambda each: (each.__qualname__, each.__module__))


def _methods(kind: type) -> Iterator[types.FunctionType]:
    for each in vars(kind).values():
        function = attribute_of(each, "__func__") or attribute_of(each, "fget") or each
        if isinstance(function, types.FunctionType):
            yield function
