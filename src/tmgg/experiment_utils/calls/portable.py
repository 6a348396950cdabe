"""Pickles that the submitting script opens with its own classes, and other processes with copies.

So in the script `isinstance` and `except` work as expected. Another process, for example a notebook
that reads the run's result later, does not have these classes, or has others of the same names.
"""

import contextlib
import os
import pickle
import sys

from tmgg.experiment_utils.program.captured import Program, script_of
from tmgg.experiment_utils.program.script import MAIN

_LARGEST_TWICE = 16 * 2**20
"""In bytes. Of a larger pickle no copy is kept, so only the script can open it."""


def dump_portable(value: object, program: Program | None) -> bytes:
    """Pickle a value; raises any error that the value's classes raise."""
    import cloudpickle  # imported here: only jobs of calls need it

    from tmgg.experiment_utils.program.pickling import dumps, find_in_main

    if program is None or not program.is_loadable:
        return bytes(cloudpickle.dumps(value))
    by_name = dumps(value, program)
    if find_in_main.__name__.encode() not in by_name:
        return by_name
    return pickle.dumps(_Twice(str(program.script), by_name, _copied(value, len(by_name))))


def open_either(script: str, by_name: bytes, by_value: bytes | None) -> object:
    """Unpickle the value: with the script's own classes in the script, else with copies."""
    here = script_of(sys.modules[MAIN])
    is_its_script = here is not None and str(here) == os.path.abspath(script)  # noqa: PTH100
    return pickle.loads(by_name if is_its_script or by_value is None else by_value)


class _Twice:
    """Unpickles to the value itself."""

    def __init__(self, *parts: str | bytes | None) -> None:
        self._parts = parts

    def __reduce__(self) -> tuple[object, ...]:
        return open_either, self._parts


def _copied(value: object, size: int) -> bytes | None:
    import cloudpickle

    if size > _LARGEST_TWICE:
        return None
    with contextlib.suppress(Exception):  # any class may raise; the pickle by name is there
        return bytes(cloudpickle.dumps(value))
    return None
