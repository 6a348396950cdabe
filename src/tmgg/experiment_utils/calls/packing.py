"""Packs a function and its arguments, in the submitting process.

A function of a module is sent by reference; the job imports the module. A function of a script is
sent by its name; the job loads the script. Lambdas, closures and functions of a notebook are sent
by value.
"""

import contextlib
import functools
import pickle
import reprlib
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from tmgg.errors import TaskError
from tmgg.experiment_utils.calls.process import Submitter
from tmgg.experiment_utils.error_text import text_of
from tmgg.experiment_utils.files.atomic_file import JsonDict
from tmgg.experiment_utils.identity.fingerprints import fingerprint_and_modules
from tmgg.experiment_utils.identity.programs import Programs, program_of
from tmgg.experiment_utils.identity.run_identity import Identity, make_identity
from tmgg.experiment_utils.identity.used_values import Used
from tmgg.experiment_utils.program.parts import attribute_of
from tmgg.experiment_utils.run_folder.task import escape_interpolation

PICKLING_ERRORS = (Exception,)
"""The errors of pickling: classes define how they are pickled, and may raise anything."""
_LONGEST_ARGUMENT = 60
_LONGEST_TITLE = 200


@dataclass(frozen=True, slots=True)
class PackedCall:
    """One call, ready to be sent."""

    payload: bytes
    title: str
    """`module.function(arguments)`, shortened, for display."""
    identity: Identity
    """The identity of the run: the function and its arguments."""

    def config(self) -> JsonDict:
        """The config in the run's record."""
        return _config(self.title)


class CallPacker:
    """Packs calls of one function, which is pickled once for all of them.

    Raises TaskError for a function that cannot be pickled.
    """

    def __init__(self, function: Callable[..., object]) -> None:
        if not callable(function):
            raise TaskError(f"{function!r:.200} is a {type(function).__name__}, not callable")
        self._name = name_of(function)
        self._submitter = Submitter()
        self._programs = Programs()
        self._identified = program_of(function, self._programs)
        self._function = self._dump(function, what=f"the function {self._name}")
        self._used = self._submitter.globals_for([function])
        self._globals = self._submitter.dump_globals(self._used, user=self._name)

    def pack(self, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> PackedCall:
        """Pack one call; raises TaskError for arguments that cannot be pickled."""
        payload = self._submitter.envelope(
            function=self._function,
            arguments=self._dump_arguments((args, dict(kwargs))),
            globals=self._dump_globals([*args, *kwargs.values()]),
        )
        title = f"{self._name}({_shown(args, kwargs)})"[:_LONGEST_TITLE]
        return PackedCall(payload, title, self._identify(title, (args, dict(kwargs))))

    def _identify(self, title: str, arguments: object) -> Identity:
        bound = self._identified.arguments
        arguments_hash, modules = fingerprint_and_modules([bound, arguments])
        return make_identity(
            self._programs.with_names(self._identified, (), modules),
            arguments=arguments_hash,
            given=self._used_by(arguments),
            command_line=sys.argv[1:],
            config={},  # the title is only for display, and does not count
            recorded=_config(title),
        )

    def _used_by(self, arguments: object) -> Used:
        known = self._identified.surroundings.keys() | self._identified.used.values.keys()
        return self._programs.script_values.used_by([arguments], sent=known)

    def _dump_globals(self, arguments: list[object]) -> bytes:
        """Pickle the globals that the function and functions in the arguments use."""
        used = self._used | self._submitter.globals_for(arguments)
        if used.keys() == self._used.keys():
            return self._globals
        return self._submitter.dump_globals(used, user=self._name)

    def _dump_arguments(self, arguments: object) -> bytes:
        """As `_dump`, but several times as fast if nothing must be sent by value."""
        import cloudpickle  # imported here: only submitters need it

        if not cloudpickle.list_registry_pickle_by_value():
            with contextlib.suppress(*PICKLING_ERRORS):
                pickled = pickle.dumps(arguments)
                if b"__main__" not in pickled:
                    return pickled
        return self._dump(arguments, what=f"the arguments of {self._name}")

    def _dump(self, value: object, *, what: str) -> bytes:
        try:
            return self._submitter.dumps(value)
        except PICKLING_ERRORS as error:
            words = text_of(error).rstrip(".")
            raise TaskError(
                f"{what} cannot be sent to a job: {words}. Open files, locks and connections "
                "inside the function."
            ) from error


def _config(title: str) -> JsonDict:
    return {"call": escape_interpolation(title)}


def name_of(function: Callable[..., object]) -> str:
    """The function's name for display."""
    if isinstance(function, functools.partial):
        return name_of(function.func)
    named = function if attribute_of(function, "__qualname__") else type(function)
    return f"{named.__module__}.{named.__qualname__}"


def _shown(args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> str:
    short = reprlib.Repr()
    short.maxother = short.maxstring = short.maxlong = _LONGEST_ARGUMENT
    named = (f"{key}={_text(short, kwargs[key])}" for key in kwargs)
    return ", ".join([*(_text(short, each) for each in args), *named])


def _text(short: reprlib.Repr, value: object) -> str:
    try:
        return short.repr(value)
    except Exception:  # a class's `__repr__` may raise; a number may have too many digits
        return f"<{type(value).__name__}>"
