"""What the guarded part of a script sets in other modules of the project: a job does not have it.

A job imports these modules anew. The script's text tells: assignments to attributes of modules in
the guarded part, and in the plain functions of the script that it calls.
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
    """The names, as `settings.K`; empty where the script cannot tell."""
    if program.script is None or not program.is_loadable:
        return []
    script = Script(program.source_when_submitted(), program.script)
    known = vars(sys.modules[MAIN])
    set_there = names_set(script.guarded, script.plain_functions)
    return sorted({name for name in set_there if _is_of_project(name, known)})


def names_set(nodes: list[ast.stmt], functions: Mapping[str, ast.FunctionDef]) -> Iterator[str]:
    """The dotted names that are assigned to, in calls of these functions, too."""
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
