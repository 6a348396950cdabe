"""Names of attributes that code sets, or whose values it changes, of whatever object.

`Config.rate = 5`, `c.rate = 5` in `def put(c)`, `type(model).rate = 5`: the text does not tell
which object it is, so only the names count.
"""

import ast
from collections.abc import Iterator

ANY = "*"
"""Stands for names that the code computes: `setattr(config, name, value)`."""
_OF_WRITES = frozenset(
    "add append clear extend insert merge pop remove set setdefault update".split()  # noqa: SIM905
)
"""First words of methods that change an object: `update`, `merge_from_file`."""


def changing_call(node: ast.AST) -> ast.expr | None:
    """The object that a call such as `config.update(...)` changes; None for other code."""
    called = node.func if isinstance(node, ast.Call) else None
    if isinstance(called, ast.Attribute) and called.attr.partition("_")[0] in _OF_WRITES:
        return called.value
    return None


def set_by_name(node: ast.AST) -> ast.Call | None:
    """A call of `setattr` or `delattr`; None for other code."""
    if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Name)):
        return None
    return node if node.func.id in ("setattr", "delattr") and len(node.args) > 1 else None


def attributes_set(code: ast.AST) -> Iterator[str]:
    """The names in a piece of code, without those that methods set on `self`."""
    for node in ast.walk(code):
        is_target = isinstance(getattr(node, "ctx", None), ast.Store | ast.Del)
        changed, call = changing_call(node), set_by_name(node)
        if is_target and isinstance(node, ast.Attribute | ast.Subscript):
            yield from () if _is_own(node) else _named(node)
        elif changed is not None:
            yield from _named(changed)
        elif call is not None and not _is_self(call.args[0]):
            name = call.args[1].value if isinstance(call.args[1], ast.Constant) else ANY
            yield from (*_named(call.args[0]), str(name))


def _named(node: ast.expr) -> Iterator[str]:
    """All attributes on the way: a, b, d for `c.a["x"].b.d`."""
    while isinstance(node, ast.Attribute | ast.Subscript | ast.Call):
        if isinstance(node, ast.Attribute):
            yield node.attr
        node = node.func if isinstance(node, ast.Call) else node.value


def _is_own(node: ast.expr) -> bool:
    return isinstance(node, ast.Attribute) and _is_self(node.value)


def _is_self(node: ast.expr) -> bool:
    return isinstance(node, ast.Name) and node.id == "self"
