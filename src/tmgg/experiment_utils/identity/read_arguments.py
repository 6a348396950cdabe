"""Whether a function's code may read the command line: `sys.argv`, `parser.parse_args()`.

Looked at are the function, and the functions of the project that it calls by a global name or as
`module.function()`, directly or not.
"""

import functools
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from types import FunctionType, ModuleType

from tmgg.experiment_utils.identity.project_modules import is_installed
from tmgg.experiment_utils.program.users import mentioned

_OWN_PACKAGE = "tmgg"


def may_read_arguments(values: Iterable[object]) -> bool:
    """Whether a function among the values may read the command line."""
    waiting = [each for each in values if isinstance(each, FunctionType)]
    seen: set[int] = set()
    while waiting:
        function = waiting.pop()
        if id(function) in seen or not _is_of_project(function):
            continue
        seen.add(id(function))
        names = frozenset(mentioned(function.__code__))
        if any(map(_is_reading, names)):
            return True
        waiting += _called(function, names)
    return False


def _is_reading(name: str) -> bool:
    return "argv" in name or (name.startswith("parse_") and "args" in name)


def _called(function: FunctionType, names: frozenset[str]) -> Iterator[FunctionType]:
    used = [each for name, each in function.__globals__.items() if name in names]
    modules = [each for each in used if isinstance(each, ModuleType)]
    in_modules = [vars(module).get(name) for module in modules for name in names]
    yield from (each for each in (*used, *in_modules) if isinstance(each, FunctionType))


def _is_of_project(function: FunctionType) -> bool:
    module = function.__globals__.get("__name__", "")
    if module == "__main__":
        return True
    if str(module).partition(".")[0] in (_OWN_PACKAGE, *sys.stdlib_module_names):
        return False
    return not _is_installed(function.__code__.co_filename)


@functools.lru_cache(maxsize=1000)
def _is_installed(file: str) -> bool:
    return is_installed(Path(file))
