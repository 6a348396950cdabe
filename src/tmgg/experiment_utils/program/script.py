"""A script that is loaded without its guarded part: its code, and the names that it defines.

Python's own `multiprocessing` loads a script under the name `__mp_main__`, so that
`if __name__ == "__main__":` is false. Here the script keeps the name `__main__`, which its loggers
and classes show, and the guarded part is left out instead.
"""

import ast
import symtable
from dataclasses import dataclass
from functools import cached_property, lru_cache
from types import CodeType
from typing import Any

from tmgg.experiment_utils.program.texts import texts_of_definitions
from tmgg.experiment_utils.program.touched import (
    Touched,
    attributes_touched,
    literals,
    named_by,
    touched,
)

MAIN = "__main__"
_SETTERS = frozenset(("setattr", "delattr"))


@dataclass(frozen=True)
class Script:
    """A script's source, parsed. Its properties raise SyntaxError if it is no Python."""

    source: bytes
    path: str

    @cached_property
    def _tree(self) -> ast.Module:
        return ast.parse(self.source, self.path)

    @cached_property
    def _guards(self) -> list[ast.If]:
        return [node for node in self._tree.body if isinstance(node, ast.If) and _is_guard(node)]

    @cached_property
    def defined(self) -> frozenset[str]:
        """Names that loading it defines: functions, classes, imports, values."""
        table = symtable.symtable(ast.unparse(self._unguarded()), self.path, "exec")
        symbols = table.get_symbols()
        return frozenset(each.get_name() for each in symbols if _is_bound(each))

    @cached_property
    def changed(self) -> frozenset[str]:
        """Names whose values the guarded part, or a `global` statement, may have changed."""
        inside = [inner for node in self._guards for part in node.body for inner in ast.walk(part)]
        return frozenset({name for node in inside for name in _names_in(node)} | self._declared)

    @cached_property
    def bound_again(self) -> frozenset[str]:
        """Names that the guarded part, or a `global` statement, may have bound again."""
        inside = [inner for part in self.guarded for inner in ast.walk(part)]
        read = {id(node) for node in inside if isinstance(getattr(node, "ctx", None), ast.Load)}
        bound = {name for node in inside if id(node) not in read for name in _names_in(node)}
        return frozenset(bound | self._declared)

    @cached_property
    def attributes_set(self) -> frozenset[str] | None:
        """Names of attributes that any code of the script sets; None if it computes such names."""
        nodes = list(ast.walk(self._tree))
        if any(isinstance(node, ast.Name) and node.id in _SETTERS for node in nodes):
            return None
        attributes = [node for node in nodes if isinstance(node, ast.Attribute)]
        return frozenset(node.attr for node in attributes if not isinstance(node.ctx, ast.Load))

    @cached_property
    def _declared(self) -> frozenset[str]:
        declared = (node for node in ast.walk(self._tree) if isinstance(node, ast.Global))
        return frozenset(name for node in declared for name in node.names)

    @cached_property
    def touched(self) -> Touched:
        """What the guarded part, and the functions that it calls, may have changed in place."""
        return touched(self._loaded, self.guarded)

    @cached_property
    def attributes_touched(self) -> frozenset[str]:
        """Names of attributes that the guarded part, and the functions that it calls, may set."""
        return attributes_touched(self._loaded, self.guarded)

    @cached_property
    def literals(self) -> dict[str, Any]:
        """Values that loading gives to names, as far as the text shows them."""
        return literals(self._loaded)

    @cached_property
    def texts(self) -> dict[str, Any]:
        """`literals`, and those of classes and parameters: `Net.rate`, `work(rate)`."""
        return {**texts_of_definitions(self._tree.body), **self.literals}

    @property
    def _loaded(self) -> list[ast.stmt]:
        return [node for node in self._tree.body if node not in self._guards]

    @property
    def guarded(self) -> list[ast.stmt]:
        """The statements that only the main program runs."""
        return [part for node in self._guards for part in node.body]

    @property
    def plain_functions(self) -> dict[str, ast.FunctionDef]:
        """The script's functions without decorators (a decorator may make a task of a function)."""
        functions = (node for node in self._tree.body if isinstance(node, ast.FunctionDef))
        return {node.name: node for node in functions if not node.decorator_list}

    def is_guarded(self, line: int) -> bool:
        """Whether the line is in a part that only the main program runs."""
        spans = ((node.body[0].lineno, node.body[-1].end_lineno or 0) for node in self._guards)
        return any(first <= line <= last for first, last in spans)

    def code(self) -> CodeType:
        """The script without its guarded part, compiled, with unchanged line numbers."""
        code: CodeType = compile(self._unguarded(), self.path, "exec", dont_inherit=True)
        return code

    def _unguarded(self) -> ast.Module:
        body = [_emptied(node) if node in self._guards else node for node in self._tree.body]
        return ast.Module(body=body, type_ignores=[])


@lru_cache(maxsize=4)
def script_with(source: bytes, path: str) -> Script:
    """The script with this source; cached, because each call and each job of a sweep needs it."""
    return Script(source, path)


def _emptied(guard: ast.stmt) -> ast.stmt:
    assert isinstance(guard, ast.If)
    nothing = ast.copy_location(ast.Pass(), guard.body[0])
    emptied = ast.If(test=guard.test, body=[nothing], orelse=guard.orelse)
    return ast.copy_location(emptied, guard)


def _is_guard(node: ast.If) -> bool:
    test = node.test
    if isinstance(test, ast.BoolOp) and isinstance(test.op, ast.And):
        return any(map(_asks_for_main, test.values))
    return _asks_for_main(test)


def _asks_for_main(test: ast.expr) -> bool:
    """Whether it is `__name__ == "__main__"`, in either order."""
    if not (isinstance(test, ast.Compare) and len(test.ops) == 1):
        return False
    sides = (test.left, test.comparators[0])
    has_name = any(isinstance(side, ast.Name) and side.id == "__name__" for side in sides)
    has_main = any(isinstance(side, ast.Constant) and side.value == MAIN for side in sides)
    return isinstance(test.ops[0], ast.Eq) and has_name and has_main


def _is_bound(symbol: symtable.Symbol) -> bool:
    return symbol.is_assigned() or symbol.is_imported()


def _names_in(node: ast.AST) -> list[str]:
    match node:
        case ast.Name(id=name):
            return [name]
        case ast.ExceptHandler(name=str(name)) | ast.MatchAs(name=str(name)):
            return [name]
    return named_by(node)
