"""Pickles that the submitting script opens with its own classes, and others with copies.

In the script `isinstance` holds and `except` catches. Another process, for example a notebook that
comes back to the run, has no such classes, or others of the same names.
"""

import contextlib
import os
import pickle
import sys

from tmgg.experiment_utils.program.captured import Program, script_of
from tmgg.experiment_utils.program.script import MAIN

_LARGEST_TWICE = 16 * 2**20
"""In bytes. What is larger is not kept a second time: only the script can open it."""


def dump_portable(value: object, program: Program | None) -> bytes:
    """Raises whatever the value's classes raise."""
    import cloudpickle  # only jobs of calls need it

    from tmgg.experiment_utils.program.pickling import dumps, find_in_main

    if program is None or not program.is_loadable:
        return bytes(cloudpickle.dumps(value))
    by_name = dumps(value, program)
    if find_in_main.__name__.encode() not in by_name:
        return by_name
    return pickle.dumps(_Twice(str(program.script), by_name, _copied(value, len(by_name))))


def open_either(script: str, by_name: bytes, by_value: bytes | None) -> object:
    """The value, for this process."""
    here = script_of(sys.modules[MAIN])
    is_its_script = here is not None and str(here) == os.path.abspath(script)  # noqa: PTH100
    return pickle.loads(by_name if is_its_script or by_value is None else by_value)


class _Twice:
    """Opens as the value itself."""

    def __init__(self, *parts: str | bytes | None) -> None:
        self._parts = parts

    def __reduce__(self) -> tuple[object, ...]:
        return open_either, self._parts


def _copied(value: object, size: int) -> bytes | None:
    import cloudpickle

    if size > _LARGEST_TWICE:
        return None
    with contextlib.suppress(Exception):  # classes say how they pickle; the first one is there
        return bytes(cloudpickle.dumps(value))
    return None
