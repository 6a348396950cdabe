"""What a call returned or raised: the job writes it to a file, and the caller reads it.

Opening a pickle runs code, so a file counts only if it belongs to the user who opens it.
"""

import contextlib
import pickle
import traceback
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from tmgg.errors import RecordError, TaskError, UnwritableError
from tmgg.experiment_utils.calls.portable import dump_portable
from tmgg.experiment_utils.files.atomic_file import write_atomic
from tmgg.experiment_utils.files.leaving import leave
from tmgg.experiment_utils.files.trust import read_trusted
from tmgg.experiment_utils.program.captured import Program

_FILE = "call_return.{}.pkl"
_MOST_CAUSES = 20
_Kind = Literal["returned", "raised"]


@dataclass(frozen=True, slots=True)
class CallOutcome:
    """How one attempt of a call ended; the value or exception is unpickled only by `open`."""

    kind: _Kind
    pickled: bytes

    def open(self) -> Any:
        """The value, or the exception. Raises whatever their classes raise when unpickled."""
        return pickle.loads(self.pickled)


def leave_returned(
    folder: Path, returned: object, *, attempt: int, program: Program | None = None
) -> None:
    """Job side: write a return value. Raises TaskError if it cannot be pickled, UnwritableError."""
    try:
        pickled = dump_portable(returned, program)
    except (Exception, SystemExit) as error:  # a class may define how it is pickled
        raise TaskError(
            f"the function completed, but returned a {type(returned).__name__}, which cannot be "
            f"sent back: {error}. Return numbers, text, lists, arrays or mappings."
        ) from error
    try:
        _write(folder, "returned", pickled, attempt)
    except OSError as error:
        words = f"what the function returned could not be written: {error}"
        raise UnwritableError(words) from error


def leave_raised(
    folder: Path, error: Exception, *, attempt: int, program: Program | None = None
) -> None:
    """Job side: write an exception, with its traceback as a note, if it can be pickled."""
    try:
        pickled = _portable(error, program)
    except Exception:  # any class may be raised; its text and traceback are in the result
        return
    with contextlib.suppress(OSError):  # in this case, too
        _write(folder, "raised", pickled, attempt)


def load_outcome(folder: Path, *, attempt: int) -> CallOutcome | None:
    """The outcome of that attempt; None if there is none.

    Raises ForeignFileError for a file that another user could have written, RecordError for a
    damaged one.
    """
    path = folder / _FILE.format(attempt)
    try:
        data = read_trusted(path, own=True)
    except FileNotFoundError:
        return None
    kind, _, pickled = data.partition(b"\n")
    if kind not in (b"returned", b"raised"):
        raise RecordError(f"{path} is not the outcome of a call; submit the call again")
    return CallOutcome("returned" if kind == b"returned" else "raised", pickled)


def _write(folder: Path, kind: _Kind, pickled: bytes, attempt: int) -> None:
    path = folder / _FILE.format(attempt)
    leave(lambda: write_atomic(path, kind.encode() + b"\n" + pickled), folder)


def _portable(error: Exception, program: Program | None) -> bytes:
    # Exceptions whose __init__ takes more than a message can be pickled, but not unpickled. So this
    # is tried here.
    copy = pickle.loads(dump_portable(error, program))
    copy.add_note("\nIn the job:\n" + "".join(traceback.format_exception(error)))
    return dump_portable(_WithCauses(copy, _causes_of(error, program)), program)


class _WithCauses:
    """Unpickles to the exception, with its causes, which pickles of exceptions leave out."""

    def __init__(self, error: Exception, causes: list[BaseException]) -> None:
        self._parts = error, causes

    def __reduce__(self) -> tuple[Any, ...]:
        return with_causes, self._parts


def with_causes(error: Exception, causes: list[BaseException]) -> Exception:
    """The exception, with the first cause as its cause, the second as the cause of that, etc."""
    raised: BaseException = error
    for cause in causes:
        raised.__cause__ = cause
        raised = cause
    return error


def _causes_of(error: BaseException, program: Program | None) -> list[BaseException]:
    """The causes of an error, up to the first that cannot be pickled."""
    causes: list[BaseException] = []
    while (cause := error.__cause__) is not None and len(causes) < _MOST_CAUSES:
        try:
            causes.append(pickle.loads(dump_portable(cause, program)))
        except Exception:  # its text and traceback are in the note
            break
        error = cause
    return causes
