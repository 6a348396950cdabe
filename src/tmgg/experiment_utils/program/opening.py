"""Opens in a job what its submitter pickled, and says which part cannot be opened.

Some objects can be pickled and not opened again: for example an exception whose class takes other
arguments than it passes on.
"""

import functools
import io
import pickle
from collections.abc import Callable, Iterator
from typing import Any

from tmgg.errors import TaskError
from tmgg.experiment_utils.program.in_place import fill, fits
from tmgg.experiment_utils.program.places import Place, name_of, object_at


def open_part(pickled: bytes, *, what: str) -> Any:
    """The unpickled value; raises TaskError with the name `what` if it cannot be opened.

    Raises ImportError and MemoryError as they are: these errors have causes of their own.
    """
    return _load(pickle.Unpickler(io.BytesIO(pickled)), what)


def open_each(pickled: bytes) -> Iterator[tuple[str, Any]]:
    """The script's globals from `dumping.dump_each`: name and value. Raises as `open_part`."""
    opening = _Unpickler(io.BytesIO(pickled))
    while True:
        try:
            head = _load(opening, "the script's globals")
        except EOFError:
            return
        match head:
            case dict():  # of an earlier TMGG: all in one
                yield from head.items()
                return
            case list():
                opening.targets = head
            case int():
                what = f"{name_of(opening.targets[head][0])}, a value of the script,"
                _tried(functools.partial(opening.fill, head), what)
            case _:
                yield head, _load(opening, f"{head}, a global of the script,")


class _Unpickler(pickle.Unpickler):
    """Opens pickles that have a number in place of each object that this process has already."""

    def __init__(self, file: io.BytesIO) -> None:
        super().__init__(file)
        self.targets: list[tuple[Place, type, object, Callable[..., Any], tuple[Any, ...]]] = []
        """By number: the object's place, class and form, and what makes an empty one."""
        self._found: dict[int, Any] = {}

    def persistent_load(self, number: int) -> Any:
        """The object with the number: the one at its place, or an empty one if that is another."""
        if number not in self._found:
            place, kind, form, make, arguments = self.targets[number]
            there = object_at(place)
            is_free = not any(there is each for each in self._found.values())
            is_usable = is_free and fits(there, kind, form)
            self._found[number] = there if is_usable else make(*arguments)
        return self._found[number]

    def fill(self, number: int) -> None:
        """Read the content of the object with the number, and give it to the object."""
        parts = self.load()
        fill(self.persistent_load(number), parts)


def _load(opening: pickle.Unpickler, what: str) -> Any:
    return _tried(opening.load, what)


def _tried(action: Callable[[], Any], what: str) -> Any:
    try:
        return action()
    except (EOFError, ImportError, MemoryError, TaskError):
        raise
    except Exception as error:  # classes define how they are opened, and may raise anything
        raise TaskError(
            f"{what} was sent to this job and cannot be opened here: "
            f"{type(error).__name__}: {error}. Make such an object inside the function that uses "
            "it, or give its class a `__reduce__` that fits its `__init__`."
        ) from error
