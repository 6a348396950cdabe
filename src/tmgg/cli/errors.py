"""How `tmgg-experiment` ends when something is wrong: in words, with an exit code."""

import re
import traceback
from types import TracebackType
from typing import NoReturn

from hydra.errors import CompactHydraException, HydraException
from omegaconf.errors import OmegaConfBaseException

from tmgg.console import exit_codes
from tmgg.console.printing import say
from tmgg.console.streams import READER_GONE_CODE
from tmgg.errors import AnswerLostError, TmggError
from tmgg.hydra_plugins.job_returns import is_reported
from tmgg.hydra_plugins.launcher_options import known_keys, unknown_key

_LAUNCHER_KEY = re.compile(r"Could not override 'hydra\.launcher\.(?P<key>\w+)'")
_ABSENT_KEY = (
    "HINT: the chosen launcher's YAML does not list {key}. Choose hydra/launcher=tmgg_slurm (or "
    "tmgg_local); in a YAML of your own add the key, or begin it with `defaults: [tmgg_slurm, "
    "_self_]`; or write +hydra.launcher.{key}=..."
)
_FULL = "Set the environment variable HYDRA_FULL_ERROR=1 for a complete stack trace."
CALLER = "call_experiment"
"""The function that calls the experiment; tracebacks begin below it."""


def exit_with(error: BaseException) -> NoReturn:
    """Say what is wrong on standard error and end the process.

    The exit code is 2 for a wrong request, 130 for Ctrl-C, and 1 for an experiment that raised. An
    experiment's error is printed with the traceback of the user's code, unless the report of a
    sweep has shown it.
    """
    if isinstance(error, KeyboardInterrupt):
        say("\ninterrupted")
        raise SystemExit(exit_codes.INTERRUPTED) from None
    if is_reported(error):
        raise SystemExit(exit_codes.FAILED) from None
    users = _users_part(error.__traceback__)
    if isinstance(error, AnswerLostError) and error.is_reader_gone:
        raise SystemExit(READER_GONE_CODE) from None
    composing = (CompactHydraException, OmegaConfBaseException) if users is None else ()
    if isinstance(error, (TmggError, *composing)):
        say(f"error: {explain(error)}")
        raise SystemExit(exit_codes.MISUSE) from None
    lines = traceback.format_exception(type(error), error, users or error.__traceback__)
    say("".join(lines) + f"\n{_FULL}")
    raise SystemExit(exit_codes.FAILED) from None


def explain(error: BaseException) -> str:
    """The error's message, with its cause, and with a hint if a launcher's key is missing."""
    cause = error.__cause__
    if isinstance(error, TmggError):
        # Hydra wrapped a TmggError, or TMGG wrapped an error of Hydra: explain the original one.
        told_by_cause = isinstance(error, CompactHydraException) or isinstance(
            cause, HydraException
        )
        return explain(cause) if told_by_cause and cause is not None else str(error)
    found = _LAUNCHER_KEY.search(str(error))
    if found and found["key"] not in known_keys():
        return unknown_key(found["key"])
    hint = _ABSENT_KEY.format(key=found["key"]) if found else ""
    words = [str(error).strip(), str(cause).strip() if cause is not None else "", hint]
    return "\n".join(filter(None, words))


def _users_part(trace: TracebackType | None) -> TracebackType | None:
    """The traceback below the call of the experiment; None if it was not called."""
    found, step = None, trace
    while step is not None:
        if step.tb_frame.f_code.co_name == CALLER:
            found = step.tb_next
        step = step.tb_next
    return found
