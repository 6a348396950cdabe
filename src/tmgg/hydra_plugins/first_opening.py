"""Opens pickles that run other code in a child process first.

If opening a pickle ends, blocks or interrupts the process, then only the child is lost. Pickles of
plain values are opened at once, without a child. Imports do not count for the time limit of
opening: a first `import torch` from a cold file system takes longer than any value.
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
"""The limit for each module that a pickle names and the child has not imported yet."""
_DONE, _IMPORTS, _IMPORTED = b"d", b"i", b"o"
"""First bytes of the child's messages: the answer; before an import; after an import."""
_PLAIN_MODULES = frozenset((
    "collections", "datetime", "decimal", "fractions", "uuid",
    "pathlib", "pathlib._local",  # the second: the module of path classes in Python 3.13
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
    """Opening the pickle ends or blocks its process; the message says how."""


class FirstOpening:
    """Opens pickles one after the other. The first one that is not plain starts the child."""

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
    """The pickle names an object whose code may be harmful."""


class _PlainUnpickler(pickle.Unpickler):
    """Opens a pickle, but raises _NotPlainError before it calls anything but plain types."""

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
    """Whether the object is plain. A dotted name is not: it could lead out of its module."""
    if "." in name:
        return False
    if module == "builtins" or module in _PLAIN_MODULES or (module, name) in _PLAIN_NAMES:
        return True
    return module.startswith(_PLAIN_PACKAGES) or (module == "numpy" and name in _PLAIN_NUMPY)


class _Child:
    """A fork of this process, so it has the same script and modules."""

    def __init__(self) -> None:
        self._here, there = multiprocessing.Pipe()
        with warnings.catch_warnings():  # TMGG's threads do not open pickles
            warnings.simplefilter("ignore", DeprecationWarning)
            self._pid = os.fork()
        if self._pid == 0:
            self._here.close()
            _serve(there)
        there.close()

    def try_opening(self, pickled: bytes, timeout_s: float, import_timeout_s: float) -> str | None:
        """Why it must not be opened here; None if the child opened it and goes on."""
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
        """End the child. It may have ended already."""
        self._here.close()
        self._kill()
        with contextlib.suppress(ChildProcessError):
            os.waitpid(self._pid, 0)

    def _how_it_ended(self) -> str:
        self._kill()  # it may have closed the pipe and still live
        try:
            status = os.waitstatus_to_exitcode(os.waitpid(self._pid, 0)[1])
        except ChildProcessError:
            return "its exit code is not known"
        return f"signal {-status}" if status < 0 else f"exit code {status}"

    def _kill(self) -> None:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.kill(self._pid, signal.SIGKILL)


def _serve(pipe: multiprocessing.connection.Connection) -> NoReturn:
    """The loop of the child: open and answer until the pipe is closed. Never returns."""
    try:
        os.setsid()  # a signal to its process group does not reach the parent
        _calm_signals()
        _silence()
        while True:
            problem = _problem_of(pipe.recv_bytes(), pipe)
            pipe.send_bytes(_DONE + problem.encode(errors="replace"))
    except BaseException:  # the pipe was closed, or the parent ended
        pass
    finally:
        os._exit(0)


class _ReportingUnpickler(pickle.Unpickler):
    """Writes into a pipe which module it imports."""

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
    """How opening fails, or empty. Ordinary exceptions do not count: the callers catch them."""
    try:
        _ReportingUnpickler(pickled, pipe).load()
    except (Exception, SystemExit):
        return ""
    except BaseException as error:
        return f"opening it raises {type(error).__name__}: {text_of_any(error)}"
    return ""


def _calm_signals() -> None:
    """Replace the launcher's signal handlers, which are not meant for the child."""
    handler: Callable[[int, types.FrameType | None], Any] | None = signal.default_int_handler
    signal.signal(signal.SIGINT, handler)
    for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGUSR1, signal.SIGUSR2, signal.SIGALRM):
        signal.signal(number, signal.SIG_DFL)


def _silence() -> None:
    """Print nothing: the second opening will print. New streams, as locks may be held."""
    nowhere = os.open(os.devnull, os.O_RDWR | os.O_CLOEXEC)
    for number in (0, 1, 2):
        os.dup2(nowhere, number)
    sys.stdin = os.fdopen(os.dup(nowhere), "r")
    sys.stdout, sys.stderr = (os.fdopen(os.dup(nowhere), "w") for _ in range(2))
