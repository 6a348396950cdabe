"""Opens in a job what its submitter pickled, and says which part cannot be opened.

Some objects can be pickled and not opened again: for example an exception whose class takes other
arguments than it passes on.
"""

import io
import pickle
from collections.abc import Iterator
from typing import Any

from tmgg.errors import TaskError


def open_part(pickled: bytes, *, what: str) -> Any:
    """The unpickled value; raises TaskError with the name `what` if it cannot be opened.

    Raises ImportError and MemoryError as they are: these errors have causes of their own.
    """
    return _load(pickle.Unpickler(io.BytesIO(pickled)), what)


def open_each(pickled: bytes) -> Iterator[tuple[str, Any]]:
    """The script's globals from `pickling.dump_each`: name and value. Raises as `open_part`."""
    opening = pickle.Unpickler(io.BytesIO(pickled))
    while True:
        try:
            name = _load(opening, "the script's globals")
        except EOFError:
            return
        if isinstance(name, dict):  # of an earlier TMGG: all in one
            yield from name.items()
            return
        yield name, _load(opening, f"{name}, a global of the script,")


def _load(opening: pickle.Unpickler, what: str) -> Any:
    try:
        return opening.load()
    except (EOFError, ImportError, MemoryError, TaskError):
        raise
    except Exception as error:  # classes define how they are opened, and may raise anything
        raise TaskError(
            f"{what} was sent to this job and cannot be opened here: "
            f"{type(error).__name__}: {error}. Make such an object inside the function that uses "
            "it, or give its class a `__reduce__` that fits its `__init__`."
        ) from error
