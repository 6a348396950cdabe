"""What a source file imports, for the tests of who may import whom."""

import ast
from pathlib import Path


def names_of(node: ast.Import | ast.ImportFrom) -> list[str]:
    """The modules that a statement names, and what may be a module in them."""
    if isinstance(node, ast.Import):
        return [alias.name for alias in node.names]
    assert node.level == 0, "imports are absolute"
    return [str(node.module), *(f"{node.module}.{alias.name}" for alias in node.names)]


def all_imports(path: Path) -> set[str]:
    """Those inside functions and for types, too."""
    return {
        name
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Import | ast.ImportFrom)
        for name in names_of(node)
    }
