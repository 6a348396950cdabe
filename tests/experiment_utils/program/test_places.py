"""Where loading a script puts its objects."""

import functools
import sys
from types import ModuleType
from typing import Any

import pytest

from tmgg.experiment_utils.program.places import name_of, object_at, places_of

SCRIPT = """
import functools

NAMED, DEFAULT, KEYWORD, CLOSED, HELD, OF_CLASS, BOUND, GIVEN, AGAIN = ([n] for n in range(9))

def work(a=DEFAULT, *, b=KEYWORD):
    pass

def make(value):
    @functools.lru_cache
    @functools.wraps(work)
    def inner():
        return value
    return inner

closed = make(CLOSED)
work.held = HELD
append = BOUND.append
partial = functools.partial(work, GIVEN)

class Net:
    class inner:
        cfg = OF_CLASS

class Model:
    def predict(self):
        pass

model = Model()
predict = model.predict
"""
EXPECTED = {
    "NAMED": "NAMED",
    "DEFAULT": "work.__defaults__[0]",
    "KEYWORD": "work.__kwdefaults__['b']",
    "CLOSED": "closed.__wrapped__.__closure__[0].cell_contents",
    "HELD": "work.held",
    "OF_CLASS": "Net.inner.cfg",
    "GIVEN": "partial.args[0]",
    "model": "predict.__self__",
}


@pytest.fixture
def main(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    module = ModuleType("__main__")
    monkeypatch.setitem(sys.modules, "__main__", module)
    exec(SCRIPT, vars(module))
    return vars(module)


def test_what_is_bound_again_is_found_where_functions_and_classes_hold_it(
    main: dict[str, Any],
) -> None:
    values = {name: main[name] for name in EXPECTED}
    again = {*EXPECTED, "AGAIN"} - {"NAMED"}
    places = places_of(
        {id(each) for each in values.values()}, lambda name: name not in again, lambda _: True
    )

    assert {name: name_of(places[id(each)]) for name, each in values.items()} == EXPECTED
    assert all(object_at(places[id(each)]) is each for each in values.values())


def test_what_only_a_name_has_that_is_bound_again_has_no_place(main: dict[str, Any]) -> None:
    assert places_of({id(main["AGAIN"])}, lambda name: name != "AGAIN", lambda _: True) == {}


def test_an_attribute_that_the_script_sets_is_no_place(
    main: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = ModuleType("settings")
    vars(settings)["CFG"] = config = {"rate": 1}
    monkeypatch.setitem(sys.modules, "settings", settings)
    held = id(main["HELD"])

    def found(*set_again: str) -> list[str]:
        places = places_of(
            {id(config), held}, lambda name: name != "HELD", lambda name: name not in set_again
        )
        return sorted(map(name_of, places.values()))

    assert found() == ["settings.CFG", "work.held"]
    assert found("CFG", "held") == []


def test_a_place_that_an_edited_script_does_not_have_is_empty(main: dict[str, Any]) -> None:
    main["work"] = functools.partial(len)
    for place in (("__main__", "work", "__defaults__", (0,)), ("gone", "CFG"), ("__main__", "no")):
        assert object_at(place) is None
