"""Finds attributes that a script's guarded part sets in other modules: a job does not have them.

A job imports these modules anew. Found are assignments to attributes of the project's modules, in
the text of the guarded part and of the script's plain functions that it calls.
"""

import ast
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import ModuleType
from typing import Any

from tmgg.experiment_utils.identity.project_modules import is_installed
from tmgg.experiment_utils.program.captured import Program
from tmgg.experiment_utils.program.script import MAIN, Script


def set_in_modules(program: Program) -> list[str]:
    """The names, such as `settings.K`; empty if the script cannot be loaded by jobs."""
    if program.script is None or not program.is_loadable:
        return []
    script = Script(program.source_when_submitted(), program.script)
    known = vars(sys.modules[MAIN])
    set_there = names_set(script.guarded, script.plain_functions)
    return sorted({name for name in set_there if _is_of_project(name, known)})


def names_set(nodes: list[ast.stmt], functions: Mapping[str, ast.FunctionDef]) -> Iterator[str]:
    """The dotted names that are assigned to, also in those of `functions` that are called."""
    waiting, seen = list(nodes), set[str]()
    while waiting:
        for node in ast.walk(waiting.pop()):
            if isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store):
                yield ast.unparse(node)
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
                name = node.func.id
                if name in functions and name not in seen:
                    seen.add(name)
                    waiting.extend(functions[name].body)


def _is_of_project(name: str, known: Mapping[str, Any]) -> bool:
    path, _dot, _attribute = name.rpartition(".")
    first, *rest = path.split(".")
    found: Any = known.get(first)
    for part in rest:
        found = getattr(found, part, None)
    file = getattr(found, "__file__", None) if isinstance(found, ModuleType) else None
    return file is not None and not is_installed(Path(file).resolve())
