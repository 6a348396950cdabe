"""What a call returned or raised: left by the job in a file of its owner's, read by the caller.

Opening a pickle runs code, so a file counts only if it belongs to whoever opens it.
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
    """How one attempt of a call ended; what it gave is opened when it is wanted."""

    kind: _Kind
    pickled: bytes

    def open(self) -> Any:
        """The value, or the exception. Raises whatever their classes raise when unpickled."""
        return pickle.loads(self.pickled)


def leave_returned(
    folder: Path, returned: object, *, attempt: int, program: Program | None = None
) -> None:
    """Job side: keep a return value; raises TaskError for one that cannot travel."""
    try:
        pickled = dump_portable(returned, program)
    except Exception as error:  # classes say how they pickle
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
    """Job side: keep an exception, with its traceback as a note, if it can travel."""
    try:
        pickled = _portable(error, program)
    except Exception:  # any class may be raised; its text and traceback are in the result
        return
    with contextlib.suppress(OSError):  # so are they then
        _write(folder, "raised", pickled, attempt)


def load_outcome(folder: Path, *, attempt: int) -> CallOutcome | None:
    """What that attempt left; None when it left nothing.

    Raises ForeignFileError for a file that somebody else could have written.
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
    # Exceptions whose __init__ takes more than a message pickle well and then do not open.
    copy = pickle.loads(dump_portable(error, program))
    copy.add_note("\nIn the job:\n" + "".join(traceback.format_exception(error)))
    return dump_portable(_WithCauses(copy, _causes_of(error, program)), program)


class _WithCauses:
    """Opens as the exception, with the causes that it had; pickles of exceptions leave them out."""

    def __init__(self, error: Exception, causes: list[BaseException]) -> None:
        self._parts = error, causes

    def __reduce__(self) -> tuple[Any, ...]:
        return with_causes, self._parts


def with_causes(error: Exception, causes: list[BaseException]) -> Exception:
    """The exception, raised from the first of the causes, that from the second, and so on."""
    raised: BaseException = error
    for cause in causes:
        raised.__cause__ = cause
        raised = cause
    return error


def _causes_of(error: BaseException, program: Program | None) -> list[BaseException]:
    """The causes of an error that can travel, up to the first that cannot."""
    causes: list[BaseException] = []
    while (cause := error.__cause__) is not None and len(causes) < _MOST_CAUSES:
        try:
            causes.append(pickle.loads(dump_portable(cause, program)))
        except Exception:  # its text and traceback are in the note
            break
        error = cause
    return causes
