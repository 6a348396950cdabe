"""Pickles the script's globals, for `opening` in a job.

What loading the script makes, and the submitter has changed in place, is pickled as a number and
its content: the job changes its own object.
"""

import io
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import cloudpickle

from tmgg.experiment_utils.program.captured import Program
from tmgg.experiment_utils.program.in_place import content_of
from tmgg.experiment_utils.program.pickling import Names, Pickler
from tmgg.experiment_utils.program.places import places_of
from tmgg.experiment_utils.program.users import changeables_in


def dump_each(values: Mapping[str, Any], file: io.BytesIO, program: Program) -> None:
    """Pickle names and values in turn, for `opening.open_each`. Shared objects are written once.

    Before them come the contents of objects that loading the script makes, too: the job changes
    its own in place.
    """
    names = Names(program)
    there = _in_place(values, names)
    pickler = _InPlacePickler(file, names, there) if there else Pickler(file, names)
    if there:
        pickler.dump([each.target for each in there.values()])
    for each in there.values():
        pickler.dump(each.number)
        pickler.dump(each.parts)
    for name, value in values.items():
        pickler.dump(name)
        pickler.dump(value)


def _in_place(values: Mapping[str, Any], names: Names) -> "dict[int, _InPlace]":
    """By id: the objects in a pickle of the values that the job changes in place.

    The parts of an object come before it, so they are complete when it gets its content.
    """
    objects = changeables_in(values.values())
    if not objects:
        return {}  # the search looks into all modules
    places = places_of(objects, names.is_bound_once, names.is_set_once)
    found: dict[int, _InPlace] = {}
    for key, place in places.items():
        is_special = type(objects[key]) in cloudpickle.Pickler.dispatch_table
        content = None if is_special else content_of(objects[key])
        if content is not None:
            target = place, content.kind, content.form, content.make, content.arguments
            found[key] = _InPlace(len(found), target, content.parts)
    if not found:
        return {}
    trial = _InPlacePickler(_Nowhere(), names, found)
    trial.dump([*values.values()])
    for key in trial.met:  # it grows
        trial.dump(found[key].parts)
    return {key: replace(found[key], number=at) for at, key in enumerate(reversed(trial.met))}


@dataclass(frozen=True, slots=True)
class _InPlace:
    """An object that the job has already, and changes in place."""

    number: int
    target: tuple[Any, ...]
    """How the job finds the object: see `opening`."""
    parts: tuple[Any, ...]
    """Its content."""


class _InPlacePickler(Pickler):
    """A pickler that writes a number in place of each object that the job has already."""

    def __init__(self, file: io.BytesIO, names: Names, there: Mapping[int, _InPlace]) -> None:
        super().__init__(file, names)
        self._there = there
        self.met: list[int] = []
        """The ids of such objects that it has met, each once."""
        self._met: set[int] = set()

    def persistent_id(self, value: object) -> int | None:
        found = self._there.get(id(value))
        if found is None:
            return None
        if id(value) not in self._met:
            self._met.add(id(value))
            self.met.append(id(value))
        return found.number


class _Nowhere(io.BytesIO):
    """A file that keeps nothing."""

    def write(self, data: Any) -> int:
        return len(data)
