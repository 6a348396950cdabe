"""Makes a job's process like the submitting one: the common part for calls and Hydra's jobs."""

import contextlib
import functools
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from tmgg.errors import TaskError
from tmgg.experiment_utils.program.captured import Program
from tmgg.experiment_utils.program.main_module import load_main, prepare_process
from tmgg.experiment_utils.program.opening import open_each, open_part
from tmgg.experiment_utils.program.script import MAIN

Loading = contextlib.AbstractContextManager[object]


def place_of(cwd: str) -> dict[str, Any]:
    """What `enter` needs to know about this process besides its program, for an envelope."""
    return {"python": list(sys.version_info[:2]), "cwd": cwd}


def enter(
    envelope: dict[str, Any],
    arguments: Sequence[str],
    *,
    what: str,
    loading: Callable[[], Loading] = contextlib.nullcontext,
) -> Program | None:
    """Make this process like the submitting one, and return that one's program.

    The envelope itself is plain data. Values pickled in it are opened after the script is loaded,
    which happens within the context `loading()`. `arguments` become the command line. `what` names
    the thing that was sent, for the error message.
    """
    _check_version(envelope["python"], what)
    if "program" not in envelope:  # of an earlier TMGG
        os.chdir(envelope["cwd"])
        sys.path.extend(path for path in envelope["sys_path"] if path not in sys.path)
        with loading():
            return None
    program = Program.from_json(envelope["program"])
    prepare_process(program, arguments, envelope["cwd"])
    with loading():
        load_main(program)
    for name, value in _opened(envelope["globals"]):
        *path, last = name.split(".")  # `Config.rate`: an attribute of a class
        setattr(functools.reduce(getattr, path, sys.modules[MAIN]), last, value)
    return program


def _opened(sent: bytes | dict[str, bytes]) -> Iterator[tuple[str, Any]]:
    if isinstance(sent, dict):  # of an earlier TMGG
        return ((name, open_part(value, what=name)) for name, value in sent.items())
    return open_each(sent)


def _check_version(submitted: Sequence[int], what: str) -> None:
    here = sys.version_info[:2]
    if tuple(submitted) != here:
        raise TaskError(
            f"submitted with Python {submitted[0]}.{submitted[1]}, running on "
            f"{here[0]}.{here[1]}: {what} can be sent only between equal versions. Set "
            "slurm_python or slurm_setup_commands."
        )
