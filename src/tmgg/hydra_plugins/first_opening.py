"""Pickles that run code of others are opened in a child process first.

What ends, hangs or interrupts the process that opens it costs only itself. Pickles of plain values
are opened at once, and cost no child. The time limit does not count what the child imports: a first
`import torch` from a cold file system takes longer than any value does.
"""

import contextlib
import enum
import io
import logging
import multiprocessing
import multiprocessing.connection
import os
import pickle
import signal
import sys
import types
import warnings
from collections.abc import Callable
from typing import Any, NoReturn, Self

from tmgg.experiment_utils.error_text import text_of_any

log = logging.getLogger(__name__)

OPENING_TIMEOUT_S = 30.0
IMPORT_TIMEOUT_S = 600.0
"""For each module that a pickle names and its process does not have yet."""
_DONE, _IMPORTS, _IMPORTED = b"d", b"i", b"o"
"""How the child's messages begin: the answer, and the name of a module before and after it."""
_PLAIN_MODULES = frozenset((
    "collections", "datetime", "decimal", "fractions", "uuid",
    "pathlib", "pathlib._local",  # the second: where a path's class says it is, in Python 3.13
))  # fmt: skip
_PLAIN_PACKAGES = ("hydra.", "omegaconf", "tmgg.hydra_plugins.job_returns")
_PLAIN_NAMES = frozenset(
    [
        ("typing", "Any"),
        *(
            (f"numpy.{core}.{module}", name)
            for core in ("core", "_core")
            for module, name in (
                ("multiarray", "_reconstruct"),
                ("multiarray", "scalar"),
                ("numeric", "_frombuffer"),
            )
        ),
    ]
)
_PLAIN_NUMPY = ("dtype", "ndarray")


class OpeningError(Exception):
    """Opening the pickle ends or hangs its process; says how."""


class FirstOpening:
    """Opens pickles one after the other; the child starts with the first that is not plain."""

    def __init__(
        self, timeout_s: float = OPENING_TIMEOUT_S, import_timeout_s: float = IMPORT_TIMEOUT_S
    ) -> None:
        self._timeout_s = timeout_s
        self._import_timeout_s = import_timeout_s
        self._child: _Child | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exit_reason: object) -> None:
        self._end_child()

    def open(self, pickled: bytes) -> Any:
        """The value. Raises OpeningError, or what its classes raise when they are unpickled."""
        try:
            return _PlainUnpickler(io.BytesIO(pickled)).load()
        except _NotPlainError:
            self._try(pickled)
        return pickle.loads(pickled)

    def _try(self, pickled: bytes) -> None:
        if self._child is None:
            self._child = _Child()
        problem = self._child.try_opening(pickled, self._timeout_s, self._import_timeout_s)
        if problem is not None:
            self._end_child()
            raise OpeningError(problem)

    def _end_child(self) -> None:
        child, self._child = self._child, None
        if child is not None:
            child.end()


class _NotPlainError(Exception):
    """The pickle names something whose code is not known to be harmless."""


class _PlainUnpickler(pickle.Unpickler):
    """Opens a pickle, and stops before it would call anything that is not a plain type."""

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) == ("builtins", "getattr"):
            return _member
        if not _is_plain(module, name):
            raise _NotPlainError
        found = super().find_class(module, name)
        if isinstance(found, type) or (module, name) in _PLAIN_NAMES:
            return found
        raise _NotPlainError


def _member(kind: object, name: str) -> object:
    """Python 3.11 pickles an enum's member as an attribute of its class."""
    if not isinstance(kind, enum.EnumMeta):
        raise _NotPlainError
    return kind[name]


def _is_plain(module: str, name: str) -> bool:
    """A dotted name could lead out of its module."""
    if "." in name:
        return False
    if module == "builtins" or module in _PLAIN_MODULES or (module, name) in _PLAIN_NAMES:
        return True
    return module.startswith(_PLAIN_PACKAGES) or (module == "numpy" and name in _PLAIN_NUMPY)


class _Child:
    """A fork of this process: it has the script and its modules as they are."""

    def __init__(self) -> None:
        self._here, there = multiprocessing.Pipe()
        with warnings.catch_warnings():  # threads of ours do not open pickles
            warnings.simplefilter("ignore", DeprecationWarning)
            self._pid = os.fork()
        if self._pid == 0:
            self._here.close()
            _serve(there)
        there.close()

    def try_opening(self, pickled: bytes, timeout_s: float, import_timeout_s: float) -> str | None:
        """Why it must not be opened here; None when the child did it and goes on."""
        try:
            self._here.send_bytes(pickled)
            while self._here.poll(timeout_s):
                kind, text = _message(self._here.recv_bytes())
                if kind == _DONE:
                    return text or None
                if kind == _IMPORTS and not self._has_imported(text, timeout_s, import_timeout_s):
                    return f"importing {text} for it took longer than {import_timeout_s:.0f} s"
            return f"opening it took longer than {timeout_s:.0f} s"
        except (EOFError, OSError):
            return f"opening it ended the process that opened it ({self._how_it_ended()})"

    def _has_imported(self, module: str, patience_s: float, timeout_s: float) -> bool:
        """Wait for the next message."""
        if self._here.poll(min(patience_s, timeout_s)):
            return True
        log.warning("to open what a run returned, importing %s takes long", module)
        return self._here.poll(max(0.0, timeout_s - patience_s))

    def end(self) -> None:
        """Also the processes that its pickles have started; safe to call on one that has ended."""
        self._here.close()
        self._kill()
        with contextlib.suppress(ChildProcessError):
            os.waitpid(self._pid, 0)

    def _how_it_ended(self) -> str:
        self._kill()  # one that closed the pipe, but lives
        try:
            status = os.waitstatus_to_exitcode(os.waitpid(self._pid, 0)[1])
        except ChildProcessError:
            return "its exit code is not known"
        return f"signal {-status}" if status < 0 else f"exit code {status}"

    def _kill(self) -> None:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.kill(self._pid, signal.SIGKILL)


def _serve(pipe: multiprocessing.connection.Connection) -> NoReturn:
    """The child's life: open, answer, until the pipe is closed. It never returns to its caller."""
    try:
        os.setsid()  # a signal to its process group stays in it
        _calm_signals()
        _silence()
        while True:
            problem = _problem_of(pipe.recv_bytes(), pipe)
            pipe.send_bytes(_DONE + problem.encode(errors="replace"))
    except BaseException:  # the end of the pipe, or of the parent
        pass
    finally:
        os._exit(0)


class _ReportingUnpickler(pickle.Unpickler):
    """Says into a pipe which module it imports."""

    def __init__(self, pickled: bytes, pipe: multiprocessing.connection.Connection) -> None:
        super().__init__(io.BytesIO(pickled))
        self._pipe = pipe

    def find_class(self, module: str, name: str) -> Any:
        if module in sys.modules:
            return super().find_class(module, name)
        self._pipe.send_bytes(_IMPORTS + module.encode(errors="replace"))
        try:
            return super().find_class(module, name)
        finally:
            self._pipe.send_bytes(_IMPORTED)


def _message(sent: bytes) -> tuple[bytes, str]:
    return sent[:1], sent[1:].decode(errors="replace")


def _problem_of(pickled: bytes, pipe: multiprocessing.connection.Connection) -> str:
    """Ordinary exceptions are none: whoever opens the pickle later catches these."""
    try:
        _ReportingUnpickler(pickled, pipe).load()
    except (Exception, SystemExit):
        return ""
    except BaseException as error:
        return f"opening it raises {type(error).__name__}: {text_of_any(error)}"
    return ""


def _calm_signals() -> None:
    """The launcher's handlers say and do things that are its own."""
    handler: Callable[[int, types.FrameType | None], Any] | None = signal.default_int_handler
    signal.signal(signal.SIGINT, handler)
    for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGUSR1, signal.SIGUSR2, signal.SIGALRM):
        signal.signal(number, signal.SIG_DFL)


def _silence() -> None:
    """What opening prints is printed by the second opening. Locks of streams may be held."""
    nowhere = os.open(os.devnull, os.O_RDWR | os.O_CLOEXEC)
    for number in (0, 1, 2):
        os.dup2(nowhere, number)
    sys.stdin = os.fdopen(os.dup(nowhere), "r")
    sys.stdout, sys.stderr = (os.fdopen(os.dup(nowhere), "w") for _ in range(2))
