"""How a function or class is sent to the job: by reference to its module or script, or by value.

An object is sent by reference if the job finds it under its name: in its module, or in the script
when that is loaded. Every other object is copied, with the globals that it uses.
"""

import sys
from dataclasses import dataclass
from functools import cached_property
from types import MethodType
from typing import TYPE_CHECKING, Any

from tmgg.experiment_utils.program.parts import HEAP_TYPE, attribute_of, vars_of

if TYPE_CHECKING:
    from tmgg.experiment_utils.program.captured import Program
    from tmgg.experiment_utils.program.pickling import Names

_MAIN = "__main__"


@dataclass(frozen=True, slots=True)
class Way:
    """How one function or class is sent."""

    is_reference: bool
    is_named: bool
    """Whether the file of its module or script defines it under its name; its code is then known
    from the version of the file."""
    is_script: bool = False
    depth: int = 0
    """How many functions it wraps, one within the other, under this name."""


class Ways:
    """How functions and classes are sent from this process."""

    def of(self, value: Any) -> Way:
        """How a function or class is sent."""
        module = value.__module__
        layers = _layers(module, value.__qualname__)
        at = next((at for at, each in enumerate(layers) if each is value), None)
        if module == _MAIN:
            if at is None or self._program.script is None:
                return Way(is_reference=False, is_named=False, is_script=True)
            is_loaded = self._names.is_loaded(value.__qualname__.partition(".")[0])
            return Way(is_loaded, is_named=True, is_script=True, depth=len(layers) - 1 - at)
        if at is None:
            is_builtin = isinstance(value, type) and not value.__flags__ & HEAP_TYPE
            return Way(is_reference=is_builtin, is_named=is_builtin)
        is_reference = at == 0 and not self._is_registered(module)
        return Way(is_reference, is_named=True, depth=0 if is_reference else len(layers) - 1 - at)

    def stays(self, value: Any, name: str, namespace: dict[str, Any], way: Way) -> bool:
        """Whether a global that is used need not be sent, because the job has it already."""
        if way.is_reference and not way.is_script:
            return True
        named = attribute_of(value, "__module__"), attribute_of(value, "__qualname__")
        is_own = named == (namespace.get("__name__"), name)
        if is_own and callable(value) and self.of(value).is_reference:
            return True
        is_main = namespace is vars(sys.modules[_MAIN])
        return is_main and self._program.is_loadable and not self._names.may_differ(name, value)

    def changed_attributes(self, kind: type) -> dict[str, Any]:
        """Attributes of a class of the script (such as `Config.rate`) that are sent by value."""
        return self._names.changed_attributes(kind) if self._program.is_loadable else {}

    def is_left_behind(self, value: Any, name: str, way: Way) -> bool:
        """Whether a value of the script cannot be pickled; the job uses its own from loading it."""
        from tmgg.experiment_utils.program.pickling import dumps

        if not (way.is_script and self._names.is_loaded(name)):
            return False
        try:
            dumps(value, self._program)
        except Exception:  # a class may define how it is pickled, and raise anything
            return True
        return False

    @cached_property
    def by_value_modules(self) -> frozenset[str]:
        """Modules that the user registered in cloudpickle to be copied."""
        cloudpickle = sys.modules.get("cloudpickle")
        return (
            frozenset(cloudpickle.list_registry_pickle_by_value()) if cloudpickle else frozenset()
        )

    def _is_registered(self, module: str) -> bool:
        return any(f"{module}.".startswith(f"{each}.") for each in self.by_value_modules)

    @cached_property
    def _program(self) -> "Program":
        from tmgg.experiment_utils.program.captured import capture_program

        return capture_program()

    @cached_property
    def _names(self) -> "Names":
        from tmgg.experiment_utils.program.pickling import Names  # cloudpickle, for submitters

        return Names(self._program)


def name_of(value: Any) -> str:
    """The module and qualified name of a function or class."""
    module = getattr(value, "__module__", None)
    return f"{module}.{value.__qualname__}"


def _layers(module: str | None, name: str) -> list[object]:
    """The object under `name` in the module, then the object that it wraps, and so on."""
    found: Any = sys.modules.get(module or "")
    for part in name.split("."):
        held = vars(found) if isinstance(found, type) else vars_of(found)
        found = held.get(part)
        if isinstance(found, staticmethod | classmethod | MethodType):
            found = found.__func__
    layers: list[object] = []
    while found is not None and not any(found is each for each in layers):
        layers.append(found)
        found = attribute_of(found, "__wrapped__")
    return layers
