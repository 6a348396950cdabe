"""How a task may end its own process: `sys.exit` is an answer, `os._exit(0)` a silent loss."""

import contextlib
import functools
import os
import sys
import traceback
from collections.abc import Callable, Iterator
from typing import Any, NoReturn

from tmgg.errors import TaskError
from tmgg.experiment_utils.job.mending import mending_process
from tmgg.experiment_utils.job.stop_signal import stop_of

_FRAMES_SHOWN = 8


def ending_well(task: Callable[..., Any]) -> Callable[..., Any]:
    """The task, for which `sys.exit()` and `sys.exit(0)` mean that it has returned nothing.

    Raises StoppedEarlyError where they mean that it has saved its state (see `stop_signal`). A
    process that the task has forked ends here: what it returns or raises is not the run's.
    """

    @functools.wraps(task)
    def call(*arguments: Any, **named: Any) -> Any:
        with ending_forked_children(), mending_process():
            return ended(*arguments, **named)

    def ended(*arguments: Any, **named: Any) -> Any:
        try:
            return task(*arguments, **named)
        except (SystemExit, KeyboardInterrupt) as end:
            stopped = stop_of(end)
            if stopped is not None:
                raise stopped from end
            if isinstance(end, SystemExit) and is_success(end):
                return None
            raise

    return call


@contextlib.contextmanager
def ending_forked_children() -> Iterator[None]:
    """A process that was forked inside and runs off the end ends as any Python process would."""
    process, code = os.getpid(), 0
    try:
        yield
    except BaseException as error:
        if os.getpid() == process:
            raise
        code = _code_of(error)
    if os.getpid() != process:
        for stream in (sys.stdout, sys.stderr):
            with contextlib.suppress(Exception):  # closed, taken away, or anything in its place
                stream.flush()
        # Not what is to be done at exit: that is the parent's, as with multiprocessing.
        os._exit(code)


def _code_of(error: BaseException) -> int:
    """As the interpreter ends with; tells what is no exit."""
    if not isinstance(error, SystemExit):
        traceback.print_exc()
        return 1
    if is_success(error):
        return 0
    if isinstance(error.code, int):
        return error.code & 0xFF
    sys.stderr.write(f"{error.code}\n")
    return 1


def is_success(end: SystemExit) -> bool:
    """As Python has it: no code or 0; any text is a failure."""
    return end.code is None or (isinstance(end.code, int) and end.code == 0)


def words_of_exit(end: SystemExit) -> str:
    return f"sys.exit({end.code})" if isinstance(end.code, int) else str(end.code)


@contextlib.contextmanager
def telling_of_silent_exit(tell: Callable[[TaskError], None]) -> Iterator[None]:
    """Inside, `os._exit(0)` in this process is reported before it ends everything.

    It would look like a success of a process that has lost its result. Processes that are forked
    here end as they like.
    """
    process, end = os.getpid(), os._exit

    def exit_after_telling(status: int) -> NoReturn:
        if status == 0 and os.getpid() == process:
            tell(_error_of_silent_exit())
        end(status)

    os._exit = exit_after_telling
    try:
        yield
    finally:
        os._exit = end


def _error_of_silent_exit() -> TaskError:
    error = TaskError(
        "the experiment ended its own process with os._exit(0), so it returned nothing. Return "
        "from the function, or call sys.exit()."
    )
    error.add_note("Called from:\n" + "".join(traceback.format_stack(limit=_FRAMES_SHOWN)[:-2]))
    return error
