"""The script's globals that are sent with its functions, in pickles with one memo.

If two of them share an object (an optimizer and its model share parameters), they share it in the
job, too.
"""

import functools
import io
import logging
from collections.abc import Mapping
from typing import Any

from tmgg.errors import TaskError
from tmgg.experiment_utils.error_text import text_of
from tmgg.experiment_utils.program.captured import Program
from tmgg.experiment_utils.program.dumping import dump_each
from tmgg.experiment_utils.program.pickling import PICKLING_ERRORS, Names, dump, dumps

LARGEST_TOUCHED_BYTES = 64 * 2**20
"""The limit for a value that loading the script makes, too, and that was perhaps not changed: a
data set should not be sent with each of a thousand calls."""

log = logging.getLogger(__name__)


def dump_globals(values: Mapping[str, Any], program: Program, *, user: str) -> bytes:
    """Pickle the values from `globals_for`, for `entering.enter`; raises TaskError.

    A value that cannot be pickled is left out if loading the script makes it, too, as with Python's
    own `spawn`. `user` is the name of the function that uses them, for messages.
    """
    if not values:
        return b""
    try:
        return _dump_all(values, _Bounded(), program)
    except PICKLING_ERRORS:  # find out which of them
        names = Names(program)
        sent = {name: each for name, each in values.items() if _can_travel(name, each, names, user)}
        return _dump_all(sent, io.BytesIO(), program)


def _dump_all(values: Mapping[str, Any], buffer: io.BytesIO, program: Program) -> bytes:
    dump_each(values, buffer, program)
    return buffer.getvalue()


def _can_travel(name: str, value: object, names: Names, user: str) -> bool:
    try:
        if names.must_travel(name):
            dumps(value, names.program)
        else:
            dump(value, _Bounded(), names.program)
    except _TooLargeError:
        _warn(name, user)
        return False
    except PICKLING_ERRORS as error:
        if names.is_loaded(name):
            if names.is_set(name):
                _warn_of_attribute(name, user, text_of(error).rstrip("."))
            return False
        words = text_of(error).rstrip(".")
        raise TaskError(
            f"{name}, which {user} uses, cannot be sent to a job: {words}. Open files, locks and "
            f"connections inside {user}."
        ) from error
    return True


@functools.cache
def _warn(name: str, user: str) -> None:
    log.warning(
        "%s, which %s uses, has more than %d MiB and is not sent: a job has it as loading the "
        "script makes it. If the script changes it after that, give it to the function as an "
        "argument, or make the change where the script is loaded.",
        name,
        user,
        LARGEST_TOUCHED_BYTES // 2**20,
    )


@functools.cache
def _warn_of_attribute(name: str, user: str, why: str) -> None:
    log.warning(
        "%s, which %s uses, cannot be sent to a job: %s. A job has it as loading the script makes "
        "it. If the script changes it after that, make the change where the script is loaded.",
        name,
        user,
        why,
    )


class _TooLargeError(Exception):
    pass


class _Bounded(io.BytesIO):
    """A buffer that raises an error when a pickle becomes too large."""

    def write(self, data: Any) -> int:
        written = super().write(data)
        if self.tell() > LARGEST_TOUCHED_BYTES:
            raise _TooLargeError
        return written
