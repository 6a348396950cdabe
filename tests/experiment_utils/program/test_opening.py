"""What a job opens of its submitter's pickles, and how it names what cannot be opened."""

import io
import pickle
import sys
from types import ModuleType
from typing import Any

import pytest

from tmgg.errors import TaskError
from tmgg.experiment_utils.program.captured import capture_program
from tmgg.experiment_utils.program.opening import open_each, open_part
from tmgg.experiment_utils.program.sent_globals import dump_globals


class NeedsTwoError(Exception):
    """Can be pickled; to open it, its class would need another argument."""

    def __init__(self, first: str, second: str) -> None:
        super().__init__(f"{first} {second}")


class NeedsModule:
    def __reduce__(self) -> tuple[Any, ...]:
        return __import__, ("no_such_module",)


class Refuses:
    def __setstate__(self, state: object) -> None:
        raise ValueError("no")


def sent_in_place(value: object, parts: tuple[Any, ...], *places: tuple[Any, ...]) -> bytes:
    """What a submitter sends for `CFG = value`, with the value's content, for each place."""
    kind = type(value)
    file = io.BytesIO()

    class Pickler(pickle.Pickler):
        def persistent_id(self, each: object) -> int | None:
            return next((at for at, known in enumerate(values) if each is known), None)

    values = [value, *(kind() for _ in places[1:])]
    pickler = Pickler(file)
    pickler.dump([(place, kind, None, kind, ()) for place in places])
    for at in range(len(places)):
        pickler.dump(at)
        pickler.dump(parts)
    for at, each in enumerate(values):
        pickler.dump(f"CFG{at}")
        pickler.dump(each)
    return file.getvalue()


@pytest.fixture
def settings(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    module = ModuleType("settings")
    monkeypatch.setitem(sys.modules, "settings", module)
    return vars(module)


CFG = ("settings", "CFG")


def test_the_object_at_the_place_gets_the_content(settings: dict[str, Any]) -> None:
    settings["CFG"] = there = {"rate": 1, "old": 1}
    found = dict(open_each(sent_in_place({}, ({"rate": 5},), CFG)))

    assert found["CFG0"] is there
    assert there == {"rate": 5}


def test_an_object_of_another_class_at_the_place_stays_as_it_is(settings: dict[str, Any]) -> None:
    settings["CFG"] = there = [1]
    assert dict(open_each(sent_in_place({}, ({"rate": 5},), CFG))) == {"CFG0": {"rate": 5}}
    assert there == [1]


def test_two_objects_are_not_taken_for_one(settings: dict[str, Any]) -> None:
    settings["CFG"] = settings["SAME"] = {}
    found = dict(open_each(sent_in_place({}, ({"rate": 5},), CFG, ("settings", "SAME"))))

    assert found["CFG0"] == found["CFG1"]
    assert found["CFG0"] is not found["CFG1"]


def test_an_object_that_does_not_take_the_content_is_named(settings: dict[str, Any]) -> None:
    settings["CFG"] = Refuses()
    with pytest.raises(TaskError, match=r"settings\.CFG, a value of the script, .*ValueError: no"):
        dict(open_each(sent_in_place(Refuses(), ({"rate": 5}, [], [], []), CFG)))


def test_a_value_that_cannot_be_opened_is_named_with_the_reason() -> None:
    sent = dump_globals({"DATA": [1], "GONE": NeedsTwoError("a", "b")}, capture_program(), user="f")
    opened = open_each(sent)

    assert next(opened) == ("DATA", [1])
    with pytest.raises(TaskError, match=r"GONE, a global of the script, .*TypeError: .*second"):
        next(opened)


def test_a_part_that_cannot_be_opened_is_named() -> None:
    with pytest.raises(TaskError, match="an argument was sent to this job and cannot be opened"):
        open_part(pickle.dumps(NeedsTwoError("a", "b")), what="an argument")


def test_a_module_that_the_job_lacks_is_an_import_error() -> None:
    with pytest.raises(ModuleNotFoundError, match="no_such_module"):
        open_part(pickle.dumps(NeedsModule()), what="an argument")


def test_globals_of_an_earlier_version_are_opened() -> None:
    assert dict(open_each(pickle.dumps({"DATA": [1], "SET": 2}))) == {"DATA": [1], "SET": 2}
