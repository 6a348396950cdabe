"""What is sent beside a callable's name: values that are bound to it, and globals that it uses."""

import functools
import types
from dataclasses import dataclass, field
from typing import Any

from tmgg.experiment_utils.identity.fingerprints import Walk, digest
from tmgg.experiment_utils.job.travelling import Ways


@dataclass(frozen=True, kw_only=True, slots=True)
class Travelling:
    """Fingerprints of the values that are sent beside a callable's name."""

    arguments: str | None
    """See `programs.Program`."""
    surroundings: dict[str, str] = field(default_factory=dict)
    """By name: globals and values of defaults."""
    modules: frozenset[str] = frozenset()
    """Modules that define functions or classes of these values, so they have the code."""


def unbound(function: Any) -> tuple[Any, list[Any]]:
    """The function itself, and the values that are bound to it."""
    bound: list[Any] = []
    while True:
        if isinstance(function, functools.partial):
            bound.append([list(function.args), function.keywords])
            function = function.func
        elif isinstance(function, types.MethodType):
            bound.append(function.__self__)
            function = function.__func__
        else:
            return function, bound


def travelling(function: Any, bound: list[Any]) -> Travelling:
    """What is sent beside the name of a function; `function` and `bound` are from `unbound`."""
    walk = Walk()
    counted = [walk.plain(each) for each in bound]
    beside: dict[str, Any] = {}
    if isinstance(function, types.FunctionType):
        way = Ways().of(function)
        if not way.is_named:
            counted.append(walk.plain(function))
        elif way.is_script or not way.is_reference:
            held = walk.of_named(function)
            beside = {f"{function.__module__}.{function.__qualname__}()": held} if held else {}
    else:
        plain = walk.plain(function)
        if not (isinstance(function, type) and Ways().of(function).is_reference):
            counted.append(plain)  # a callable object, or a class that is sent by value
    beside |= walk.globals
    return Travelling(
        arguments=digest(counted) if counted else None,
        surroundings={name: digest(value) for name, value in beside.items()},
        modules=frozenset(walk.modules),
    )
