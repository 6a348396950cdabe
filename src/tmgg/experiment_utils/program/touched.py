"""Which values of a script the main program may have changed in place after they were made.

`CFG.update(vars(args))`, in a function that the guarded part calls, binds no name. But a job that
loads the script has another value of `CFG` then. So this module finds, in the script's text, the
functions that the guarded part calls, directly or not, and the names in them. A function that is
only submitted does not run in this process, so it does not count.
"""

import ast
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from tmgg.experiment_utils.program.attributes_set import (
    attributes_set,
    changing_call,
    set_by_name,
)

_FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)
_DEFINITIONS = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)
_IMPORTS = (ast.Import, ast.ImportFrom)
_SUBMITS = frozenset(("submit", "map", "add"))
_READERS = frozenset(
    "len print str repr format isinstance type id bool int float hash".split()  # noqa: SIM905
)
"""Functions that change none of their arguments."""
_COMPUTES = frozenset(("globals", "exec", "__main__"))
"""With these a function may bind any name of the script again."""


@dataclass(frozen=True, slots=True)
class Touched:
    """The names whose values may have been changed; see the module's docstring."""

    names: frozenset[str]
    is_any_bound: bool
    """Whether any name may be bound again (`globals`, `exec`), so numbers and texts may differ."""


def touched(body: Sequence[ast.stmt], guarded: Sequence[ast.stmt]) -> Touched:
    """Which of the names that `body` binds the statements `guarded` may change."""
    binders = _binders(_flat(body))
    threads = frozenset(name for each in (*body, *guarded) for name in _thread_pools(each))
    names, written = set[str](), set[str]()
    for node, mentioned in _running(binders, guarded, threads):
        if not isinstance(node, ast.Assign | ast.AnnAssign):  # jobs run assignments when loading
            names |= mentioned
            written |= set() if _is_task(node) else set(_written(node))
    assigned = {name for name, nodes in binders.items() if not all(map(_is_named, nodes))}
    imported = {name for name, nodes in binders.items() if _is_imported(nodes)}
    is_open = not _COMPUTES.isdisjoint(names)
    found = assigned if is_open else assigned & names
    return Touched(frozenset(found | (written & imported)), is_open)


def attributes_touched(body: Sequence[ast.stmt], guarded: Sequence[ast.stmt]) -> frozenset[str]:
    """Names of attributes, of whatever object, that the statements `guarded` may set."""
    binders = _binders(_flat(body))
    threads = frozenset(name for each in (*body, *guarded) for name in _thread_pools(each))
    first = {id(each) for each in guarded}
    found = set[str]()
    for node, _mentioned in _running(binders, guarded, threads):
        is_of_loading = isinstance(node, ast.Assign | ast.AnnAssign) and id(node) not in first
        if not (is_of_loading or _is_task(node)):
            found |= set(attributes_set(node))
    return frozenset(found)


def _running(
    binders: dict[str, list[Any]], guarded: Sequence[ast.stmt], threads: frozenset[str]
) -> Iterator[tuple[ast.AST, set[str]]]:
    """The statements that run, or that define what runs, each with the names that it mentions."""
    waiting: list[ast.AST] = list(guarded)
    seen = {id(each) for each in guarded}
    while waiting:
        node = waiting.pop()
        mentioned = set(_mentions(node, frozenset(), threads))
        yield node, mentioned
        for name in mentioned:
            new = [each for each in binders.get(name, ()) if id(each) not in seen]
            seen |= {id(each) for each in new}
            waiting += new


def literals(body: Sequence[ast.stmt]) -> dict[str, Any]:
    """The values of names that are bound once, to a literal: loading the script gives the same."""
    return {
        name: ast.literal_eval(nodes[0].value)
        for name, nodes in _binders(_flat(body)).items()
        if len(nodes) == 1 and _is_literal(nodes[0])
    }


def _is_literal(node: ast.stmt) -> bool:
    if not isinstance(node, ast.Assign | ast.AnnAssign) or node.value is None:
        return False
    targets = node.targets if isinstance(node, ast.Assign) else [node.target]
    try:
        ast.literal_eval(node.value)
    except (ValueError, TypeError, MemoryError, RecursionError):
        return False
    return all(isinstance(target, ast.Name) for target in targets)


def _flat(body: Sequence[ast.stmt]) -> Iterator[ast.stmt]:
    """All statements, also those within `if`, `try` and so on, but not those of functions."""
    for node in body:
        yield node
        if isinstance(node, _DEFINITIONS):
            continue
        for inner in ast.iter_child_nodes(node):
            if isinstance(inner, ast.stmt):
                yield from _flat([inner])
            elif isinstance(inner, ast.ExceptHandler | ast.match_case):
                yield from _flat(inner.body)


def _binders(statements: Iterator[ast.stmt]) -> dict[str, list[Any]]:
    """By name: the statements that bind it.

    A function with a decorator such as `@app.command()` is also listed under `app`.
    """
    found: dict[str, list[Any]] = {}
    for node in statements:
        for name in _bound(node):
            found.setdefault(name, []).append(node)
    for node in [each for nodes in found.values() for each in nodes]:
        for decorator in getattr(node, "decorator_list", ()):  # @app.command()
            root = _root(decorator)
            if root in found and not all(map(_is_named, found[root])):
                found[root].append(node)
    return found


def _bound(node: ast.stmt) -> Iterator[str]:
    if _is_named(node):
        yield from named_by(node)
        return
    heads = [each for each in ast.iter_child_nodes(node) if not isinstance(each, ast.stmt)]
    for inner in (inner for head in heads for inner in ast.walk(head)):
        if isinstance(inner, ast.Name) and isinstance(inner.ctx, ast.Store):
            yield inner.id


def named_by(node: ast.AST) -> list[str]:
    """The names that a definition or an import binds; empty for other code."""
    match node:
        case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name) | ast.ClassDef(name=name):
            return [name]
        case ast.Import(names=aliases) | ast.ImportFrom(names=aliases):
            return [each.asname or each.name.partition(".")[0] for each in aliases]
    return []


def _is_named(node: ast.stmt) -> bool:
    return isinstance(node, (*_DEFINITIONS, *_IMPORTS))


def _is_imported(nodes: list[Any]) -> bool:
    return any(isinstance(node, _IMPORTS) for node in nodes)


def _mentions(node: ast.AST, hidden: frozenset[str], threads: frozenset[str]) -> Iterator[str]:
    """Names in code that may run in this process.

    Without a function's own variables (`hidden`), and names whose values are only read. What is
    submitted to a pool of `threads` runs in this process.
    """
    if isinstance(node, ast.Name) and node.id not in hidden:
        yield node.id
    if isinstance(node, ast.Import | ast.ImportFrom):
        yield from (each.name for each in node.names)
    if isinstance(node, _FUNCTIONS):
        if _is_task(node):
            return
        hidden |= _own_names(node)
    for child in ast.iter_child_nodes(node):
        is_read = _only_reads(node) and isinstance(child, ast.Name)
        if not is_read and child not in _handed_over(node, threads):
            yield from _mentions(child, hidden, threads)


def _only_reads(node: ast.AST) -> bool:
    """Whether it is a comparison, or a call of a function such as `len`."""
    is_reader = isinstance(node, ast.Call) and isinstance(node.func, ast.Name)
    return isinstance(node, ast.Compare) or (is_reader and node.func.id in _READERS)  # type: ignore[attr-defined]


def _handed_over(node: ast.AST, threads: frozenset[str]) -> list[ast.AST]:
    """The function that a call gives to a runner, or makes the task of a Hydra app."""
    if not (isinstance(node, ast.Call) and node.args):
        return []
    if _is_of_hydra(node.func):
        return [node.args[0]]
    is_submitting = (
        isinstance(node.func, ast.Attribute)
        and node.func.attr in _SUBMITS
        and not _is_thread_pool(node.func.value, threads)
    )
    first = node.args[0]
    is_partial = isinstance(first, ast.Call) and ast.unparse(first.func).endswith("partial")
    is_function = is_partial or isinstance(first, ast.Name | ast.Attribute | ast.Lambda)
    return [first] if is_submitting and is_function else []


def _thread_pools(tree: ast.AST) -> Iterator[str]:
    """Names that are bound to a pool of threads, anywhere in `tree`."""
    for node in ast.walk(tree):
        if isinstance(node, ast.withitem) and isinstance(node.optional_vars, ast.Name):
            made: ast.expr | None = node.context_expr
            names = [node.optional_vars.id]
        elif isinstance(node, ast.Assign | ast.AnnAssign):
            made = node.value
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            names = [ast.unparse(target) for target in targets]  # also `self.pool`
        else:
            continue
        if made is not None and _is_thread_pool(made, frozenset()):
            yield from names


def _is_thread_pool(node: ast.expr, threads: frozenset[str]) -> bool:
    """Whether it is a call such as `ThreadPoolExecutor(4)`, or a name of such a pool."""
    if isinstance(node, ast.Call):
        return "Thread" in ast.unparse(node.func)
    return ast.unparse(node) in threads


def _is_task(node: ast.AST) -> bool:
    return any(map(_is_of_hydra, getattr(node, "decorator_list", ())))


def _is_of_hydra(node: ast.expr) -> bool:
    """Whether it is `hydra.main(...)`, whose task function runs in the jobs."""
    return isinstance(node, ast.Call) and ast.unparse(node.func) in ("hydra.main", "main")


def _own_names(node: Any) -> frozenset[str]:
    """Parameters and variables of a function, without those of functions within it."""
    of = node.args
    names = [*of.posonlyargs, *of.args, *of.kwonlyargs, *filter(None, (of.vararg, of.kwarg))]
    own = {each.arg for each in names}
    shared: set[str] = set()
    waiting = node.body[:] if isinstance(node.body, list) else [node.body]
    while waiting:
        inner = waiting.pop()
        if isinstance(inner, ast.Name) and isinstance(inner.ctx, ast.Store):
            own.add(inner.id)
        if isinstance(inner, ast.Global):
            shared |= {*inner.names}
        if not isinstance(inner, (*_FUNCTIONS, ast.ClassDef)):
            waiting += ast.iter_child_nodes(inner)
    return frozenset(own - shared)


def _written(node: ast.AST) -> Iterator[str]:
    """Names with which targets of changes in place begin: `cfg` for `cfg.a["b"] = 1`, for a call
    such as `cfg.a.update(...)`, and for `setattr(cfg, name, value)`.
    """
    for inner in ast.walk(node):
        is_target = isinstance(getattr(inner, "ctx", None), ast.Store | ast.Del)
        changed, call = changing_call(inner), set_by_name(inner)
        if changed is not None:
            yield _root(changed)
        elif is_target and isinstance(inner, ast.Attribute | ast.Subscript):
            yield _root(inner)
        elif call is not None:
            yield _root(call.args[0])


def _root(node: ast.AST) -> str:
    """The name with which an expression begins: a for `a.b["c"].d`."""
    while isinstance(node, ast.Attribute | ast.Subscript | ast.Call):
        node = node.func if isinstance(node, ast.Call) else node.value
    return node.id if isinstance(node, ast.Name) else ""
