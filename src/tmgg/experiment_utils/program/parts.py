"""What is in an object, without running code of its class: no `__getattr__`, no `__iter__`."""

from types import MemberDescriptorType
from typing import Any


def vars_of(value: object) -> dict[str, Any]:
    """Its `__dict__`; an empty one if it has none."""
    try:
        found = object.__getattribute__(value, "__dict__")
    except AttributeError:
        return {}
    return found if isinstance(found, dict) else {}


def slots_of(kind: type) -> list[MemberDescriptorType]:
    """The slots of its instances, also those of base classes."""
    held = [each for base in kind.__mro__ for each in vars(base).values()]
    return [each for each in held if isinstance(each, MemberDescriptorType)]
