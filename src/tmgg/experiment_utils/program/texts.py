"""Values that a script's text shows: literals of classes' attributes and of parameters' defaults.

`Net.rate` for `class Net: rate = 0.1`, `work(rate)` for `def work(rate=0.1)`.
"""

import ast
from collections.abc import Iterator, Sequence
from typing import Any

_FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)
_NOT_A_LITERAL = (ValueError, TypeError, MemoryError, RecursionError)


def texts_of_definitions(body: Sequence[ast.stmt], within: str = "") -> dict[str, Any]:
    """The literals in the definitions among the statements; the last one of a name counts."""
    found: dict[str, Any] = {}
    for node in body:
        if isinstance(node, _FUNCTIONS):
            pairs = _defaults(node, f"{within}{node.name}")
        elif isinstance(node, ast.ClassDef):
            found |= texts_of_definitions(node.body, f"{within}{node.name}.")
            continue
        else:
            pairs = _assigned(node, within) if within else iter(())
        for name, value in pairs:
            try:
                found[name] = ast.literal_eval(value)
            except _NOT_A_LITERAL:
                found.pop(name, None)
    return found


def _defaults(node: ast.FunctionDef | ast.AsyncFunctionDef, name: str) -> Iterator[Any]:
    of = node.args
    positional = [*of.posonlyargs, *of.args]
    first = len(positional) - len(of.defaults)
    for parameter, value in (
        *zip(positional[first:], of.defaults, strict=True),
        *zip(of.kwonlyargs, of.kw_defaults, strict=True),
    ):
        if value is not None:
            yield f"{name}({parameter.arg})", value


def _assigned(node: ast.stmt, within: str) -> Iterator[Any]:
    if isinstance(node, ast.Assign | ast.AnnAssign) and node.value is not None:
        targets = node.targets if isinstance(node, ast.Assign) else [node.target]
        for target in targets:
            if isinstance(target, ast.Name):
                yield f"{within}{target.id}", node.value
