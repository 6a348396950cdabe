"""Which functions of a script a value leads to, and which names these use."""

import logging
import types
import xmlrpc.client
from collections.abc import Callable
from typing import Any

import pytest

from tmgg.experiment_utils.program.users import changeable_in, functions_in, used_names

SOURCE = """
import collections, functools
K = L = M = 1
def f(): return K
def g(): return f()
def h(): return lambda: L

class Base:
    def method(self): return K
    @property
    def value(self): return L
    @staticmethod
    def static(): return M

class Child(Base): pass

class Slotted:
    __slots__ = ("held",)
    def __init__(self, held): self.held = held

class Raising(dict):
    __getattr__ = dict.__getitem__

class Pretending:
    __class__ = property(lambda self: 1 / 0)
    def __iter__(self): return 1 / 0

def closing(function):
    def inner(): return function()
    return inner

def defaulting(function=f): return function()
"""


@pytest.fixture
def script(monkeypatch: pytest.MonkeyPatch) -> Any:
    module = types.ModuleType("__main__")
    exec(SOURCE, vars(module))
    return module


@pytest.mark.parametrize(
    ("made", "names"),
    [
        (lambda s: s.f, "K"),
        (lambda s: s.g, "f K"),
        (lambda s: s.h, "L"),
        (lambda s: s.Child, "K L M"),
        (lambda s: s.Child(), "K L M"),
        (lambda s: s.Child().method, "K L M"),
        (lambda s: {"a": [(s.f,)]}, "K"),
        (lambda s: {s.f: 1}, "K"),
        (lambda s: s.collections.deque([s.f]), "K"),
        (lambda s: s.functools.partial(print, s.f), "K"),
        (lambda s: s.functools.cache(s.f), "K"),
        (lambda s: s.Slotted([s.f]), "K held"),
        (lambda s: {"a": s.f}.get, "K"),
        (lambda s: s.closing(s.f), "K"),
        (lambda s: s.defaulting, "K"),
        (lambda s: s.Raising(a=s.f), "K"),
        (lambda s: s.Pretending(), ""),
        (lambda s: xmlrpc.client.ServerProxy("http://localhost:1"), ""),
        (lambda s: [1, "a", None, s, len, int], ""),
    ],
)
def test_names_are_found_by_whatever_way_they_are_used(
    script: Any, made: Callable[[Any], object], names: str
) -> None:
    assert used_names([made(script)], script) == {*names.split()} & {*vars(script)}


def test_a_value_that_holds_itself_is_looked_into_once(script: Any) -> None:
    around: list[object] = [script.f]
    around.append(around)

    assert list(functions_in([around, around], script)) == [script.f]


def test_values_share_what_copies_of_them_would_have_twice() -> None:
    weights = [1.0]
    model, optimizer = types.SimpleNamespace(weights=weights), {"groups": [(weights, "a")]}
    log = logging.getLogger("shared")

    assert changeable_in(model) & changeable_in(optimizer) == {id(weights)}
    assert not changeable_in([log, "a", 1, list]) & changeable_in([log, "a", 1, list])
