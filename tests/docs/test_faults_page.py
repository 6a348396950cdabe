"""docs/faults.md and the fault suite: the same faults, the same bounds."""

import ast
import re
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SUITE = sorted((ROOT / "tests" / "slurm").glob("test_faults_*.py"))
_ROW = re.compile(
    r"^\|(?P<fault>[^|]+)\|(?P<seen>[^|]+)\|(?P<verdict>[^|]+)\| (?P<bound>\d+) s[^|]*"
    r"\| (?P<test>[a-z0-9 ]+)(?P<long>\*?) \|$",
    re.MULTILINE,
)
_SECTION = re.compile(r"^## (?=.*\n\nTests: )", re.MULTILINE)


@dataclass(frozen=True)
class Shown:
    """What a row or a test says of one fault."""

    bound_s: float
    long: bool
    file: str


def shown_by_suite() -> dict[str, Shown]:
    """By name: the longest time the test allows for a verdict."""
    return {
        node.name.removeprefix("test_").replace("_", " "): Shown(
            bound_s=max(_bounds_s(node), default=0),
            long=any(ast.unparse(item) == "pytest.mark.long" for item in node.decorator_list),
            file=path.name,
        )
        for path in SUITE
        for node in ast.parse(path.read_text()).body
        if isinstance(node, ast.FunctionDef) and node.name.startswith("test_")
    }


def told_by_page(text: str) -> dict[str, Shown]:
    found, suite = {}, shown_by_suite()
    for section in _SECTION.split(text)[1:]:
        files = re.findall(r"\]\(\.\./tests/slurm/(\w+\.py)\)", section)
        for row in _ROW.finditer(section):
            name = row["test"]
            file = suite[name].file if name in suite and suite[name].file in files else "?"
            found[name] = Shown(float(row["bound"]), row["long"] == "*", file)
    return found


def _bounds_s(test: ast.FunctionDef) -> list[float]:
    calls = (node for node in ast.walk(test) if isinstance(node, ast.Call))
    return [
        float(ast.literal_eval(call.args[0]))
        for call in calls
        if isinstance(call.func, ast.Name) and call.func.id == "within"
    ]


PAGE = (ROOT / "docs" / "faults.md").read_text()


def test_every_fault_has_a_bound() -> None:
    assert len(shown_by_suite()) > 60
    assert not [name for name, shown in shown_by_suite().items() if shown.bound_s <= 0]


def test_the_page_has_a_row_for_every_test_with_its_bound_and_file() -> None:
    assert told_by_page(PAGE) == shown_by_suite()


def test_no_line_of_a_table_is_left_out() -> None:
    for section in _SECTION.split(PAGE)[1:]:
        lines = [line for line in section.splitlines() if line.startswith("|")]
        tables = sum(set(line) <= set("|-") for line in lines)
        assert len(lines) - 2 * tables == len(_ROW.findall(section))


@pytest.mark.parametrize("name", list(shown_by_suite())[:3])
def test_a_row_that_is_missing_or_wrong_is_seen(name: str) -> None:
    row = next(line for line in PAGE.splitlines() if f"| {name}" in line)
    without = PAGE.replace(row + "\n", "")
    assert name not in told_by_page(without)
    other = PAGE.replace(row, re.sub(r"\d+ s", "1 s", row))
    assert told_by_page(other) != shown_by_suite()
