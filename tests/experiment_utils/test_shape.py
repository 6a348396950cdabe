"""Sizes and manners that hold for all of the product."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.experiment_utils.imported import all_imports
from tmgg.experiment_utils.cloud.backend import Backend

SOURCE = Path(__file__).parents[2] / "src"
MOST_METHODS = 25
MOST_METHODS_OF_A_BACKEND = 10
FILES = sorted(SOURCE.rglob("*.py"))


def nodes(path: Path) -> Iterator[ast.AST]:
    return ast.walk(ast.parse(path.read_text()))


def test_no_module_imports_anothers_private_names() -> None:
    assert len(FILES) > 200
    private = [
        f"{path.relative_to(SOURCE)}:{node.lineno}: {alias.name}"
        for path in FILES
        for node in nodes(path)
        if isinstance(node, ast.ImportFrom) and str(node.module).startswith("tmgg")
        for alias in node.names
        if alias.name.startswith("_") and not alias.name.startswith("__")
    ]
    assert private == []


def test_no_class_has_more_methods_than_a_reader_can_hold() -> None:
    large = {
        node.name: count
        for path in FILES
        for node in nodes(path)
        if isinstance(node, ast.ClassDef)
        and (count := sum(isinstance(each, ast.FunctionDef) for each in node.body)) > MOST_METHODS
    }
    assert large == {}


def test_a_backend_is_ten_methods_at_most() -> None:
    methods = [name for name, value in vars(Backend).items() if callable(value)]
    own = [name for name in methods if not name.startswith("_")]
    assert 5 <= len(own) <= MOST_METHODS_OF_A_BACKEND


@pytest.mark.parametrize(
    ("package", "never"),
    [
        ("console", ("tmgg.cli", "tmgg.hydra_plugins")),
        ("hydra_plugins", ("tmgg.cli",)),
    ],
)
def test_what_is_shared_does_not_know_its_users(package: str, never: tuple[str, ...]) -> None:
    folder = SOURCE / "tmgg" / package
    wrong = [
        f"{path.name}: {name}"
        for path in sorted(folder.rglob("*.py"))
        for name in sorted(all_imports(path))
        if any(name == each or name.startswith(f"{each}.") for each in never)
    ]
    assert wrong == []
