"""No module needs another one that needs it, not even for types or inside a function."""

import graphlib
from pathlib import Path

import pytest

from tests.experiment_utils.imported import all_imports

SOURCE = Path(__file__).parents[2] / "src"


def module_name(path: Path, source: Path = SOURCE) -> str:
    return ".".join(path.relative_to(source).with_suffix("").parts).removesuffix(".__init__")


def graph_of(source: Path) -> dict[str, set[str]]:
    known = {module_name(path, source): path for path in source.rglob("*.py")}
    return {name: imported(path, known) - {name} for name, path in known.items()}


def imported(path: Path, known: dict[str, Path]) -> set[str]:
    # A package's own file only lists what is below it.
    return {
        name for name in all_imports(path) if name in known and known[name].name != "__init__.py"
    }


def test_no_module_imports_one_that_imports_it() -> None:
    graph = graph_of(SOURCE)
    assert len(graph) > 200
    # Raises CycleError, which names the modules of a circle.
    assert set(graphlib.TopologicalSorter(graph).static_order()) == set(graph)


def test_a_circle_by_an_import_inside_a_function_is_found(tmp_path: Path) -> None:
    (tmp_path / "one.py").write_text("def act():\n    from two import name\n")
    (tmp_path / "two.py").write_text("import one\n")
    with pytest.raises(graphlib.CycleError):
        graphlib.TopologicalSorter(graph_of(tmp_path)).prepare()
