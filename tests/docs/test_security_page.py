"""docs/security.md: each claim about who can do what to whom names the test that shows it."""

import ast
import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
SECTION = (ROOT / "docs" / "security.md").read_text().partition("## Whose files count\n")[2]
TABLE = SECTION.partition("\n\nTrusted are")[0]
ROWS = [
    [cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]]
    for line in TABLE.splitlines()
    if line.startswith("|") and not set(line) <= set("|-")
][1:]
TESTS = {
    node.name.removeprefix("test_").replace("_", " ")
    for path in (ROOT / "tests").rglob("test_*.py")
    for node in ast.walk(ast.parse(path.read_text()))
    if isinstance(node, ast.FunctionDef) and node.name.startswith("test_")
}


def test_there_are_claims() -> None:
    assert len(ROWS) > 10


def test_each_claim_names_a_test_that_there_is() -> None:
    assert [row for row in ROWS if len(row) != 3 or row[2] not in TESTS] == []
