"""How a task may end its process: `sys.exit` is a valid end; `os._exit(0)` loses the result."""

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
    """Wrap the task so that after `sys.exit()` and `sys.exit(0)` it returns None.

    The wrapper raises StoppedEarlyError if the task ended after its stop signal, with its state
    saved (see `stop_signal`). If the task has forked, and the child returns or raises here, the
    child ends: its value is not the run's result.
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
    """End a process that was forked within the `with` block when it leaves the block.

    Its exit code is that of any Python process that ends so.
    """
    process, code = os.getpid(), 0
    try:
        yield
    except BaseException as error:
        if os.getpid() == process:
            raise
        code = _code_of(error)
    if os.getpid() != process:
        for stream in (sys.stdout, sys.stderr):
            with contextlib.suppress(Exception):  # closed, removed, or replaced by any object
                stream.flush()
        # As with multiprocessing, exit handlers are not run: they belong to the parent.
        os._exit(code)


def _code_of(error: BaseException) -> int:
    """The exit code that Python would end with; prints the error, as Python does."""
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
    """Whether Python would exit with 0: for no code or 0. Any text is a failure."""
    return end.code is None or (isinstance(end.code, int) and end.code == 0)


def words_of_exit(end: SystemExit) -> str:
    return f"sys.exit({end.code})" if isinstance(end.code, int) else str(end.code)


@contextlib.contextmanager
def telling_of_silent_exit(tell: Callable[[TaskError], None]) -> Iterator[None]:
    """Within the `with` block, call `tell` before `os._exit(0)` ends this process.

    Otherwise this would look like a success without a result. `os._exit` of forked processes does
    not change.
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
