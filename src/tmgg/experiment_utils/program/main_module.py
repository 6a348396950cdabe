"""A job's `__main__`: the user's script, loaded as a module without its guarded part."""

import contextlib
import logging
import os
import sys
from collections.abc import Iterator, Sequence
from importlib.machinery import SourceFileLoader
from pathlib import Path
from types import ModuleType

from tmgg.errors import TaskError
from tmgg.experiment_utils.identity.code_of_run import note_script
from tmgg.experiment_utils.program.captured import Program, digest_of, find_spec
from tmgg.experiment_utils.program.script import MAIN, Script
from tmgg.experiment_utils.program.search_path import joined, search_path_here

log = logging.getLogger(__name__)

# The name that `multiprocessing` gives to the main module of a spawned process; pickles may use it.
_SPAWNED_MAIN = "__mp_main__"
_earlier: list[ModuleType] = []
"""The replaced `__main__` modules, kept because their functions may still run."""


_changed: list[str] = []


def changed_script() -> str | None:
    """The script that this process has loaded, if it was edited after the submission; else None."""
    return _changed[-1] if _changed else None


def prepare_process(program: Program, arguments: Sequence[str], cwd: str) -> None:
    """Before the script is loaded, set the program's working directory, `sys.path`, `sys.argv`."""
    here = search_path_here()
    os.chdir(cwd)
    sys.path[:] = joined(program.search_path, program.own_path, here)
    sys.argv[:] = [program.command, *arguments]


def load_main(program: Program) -> None:
    """Make the program's script this process's `__main__`.

    A script that jobs cannot load is not run. `__main__` is then an empty module, and objects of
    the script come with the task, by value.
    """
    main = _new_main(program)
    _earlier.append(sys.modules[MAIN])
    sys.modules[MAIN] = sys.modules[_SPAWNED_MAIN] = main
    if program.is_loadable:
        with _search_path_kept(), _end_in_words(program):
            script = Script(_source_now(program), str(program.script))
            exec(script.code(), main.__dict__)


def _new_main(program: Program) -> ModuleType:
    main = ModuleType(MAIN)
    main.__dict__.update(__builtins__=sys.modules["builtins"], __annotations__={})
    if program.script is None:
        return main
    main.__file__ = program.script
    main.__dict__["__cached__"] = None
    main.__loader__ = SourceFileLoader(MAIN, program.script)
    if program.module is not None and program.module != MAIN:
        main.__spec__ = find_spec(program.module)  # type: ignore[assignment]
        main.__package__ = program.module.rpartition(".")[0]
        if program.module.endswith(f".{MAIN}"):
            main.__package__ = program.module.removesuffix(f".{MAIN}")
    return main


def _source_now(program: Program) -> bytes:
    """The script's text now, as with modules that it imports; if not readable, as submitted."""
    assert program.script is not None
    note_script(program.script)
    try:
        source = Path(program.script).read_bytes()
    except OSError as error:
        log.warning(
            "%s cannot be read here (%s): the run has the script as it was when it was submitted",
            program.script,
            error.strerror,
        )
        return program.source_when_submitted()
    if digest_of(source) != program.digest:
        log.warning(
            "%s has changed since this run was submitted: the run has the script as it is now",
            program.script,
        )
        _changed.append(program.script)
    return source


@contextlib.contextmanager
def _search_path_kept() -> Iterator[None]:
    """Restore `sys.path` after the `with` block; entries that were not there before come first.

    The script's changes of `sys.path` are already in the path of the submitting process.
    """
    before = list(sys.path)
    yield
    new = [entry for entry in sys.path if entry not in before]
    sys.path[:] = [*new, *before]


@contextlib.contextmanager
def _end_in_words(program: Program) -> Iterator[None]:
    try:
        yield
    except SystemExit as end:
        raise TaskError(
            f"{program.script} ended with {end.code!r} while a job loaded it. Put the code "
            'that ends it under `if __name__ == "__main__":`.'
        ) from end
