"""docs/architecture.md says where things are: every file and folder that it names exists."""

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "architecture.md").read_text()
FILES = [*(ROOT / "src" / "tmgg").rglob("*"), *(ROOT / "tests").rglob("*.py")]


def test_every_file_that_it_names_is_there() -> None:
    known = [f"/{path.relative_to(ROOT)}" for path in FILES]
    named = set(re.findall(r"`([\w/]+\.py|[\w/]+/)`", PAGE))
    assert len(named) > 60
    assert [name for name in sorted(named) if not is_known(name, known)] == []


def is_known(name: str, paths: list[str]) -> bool:
    return any(path.endswith(f"/{name.rstrip('/')}") for path in paths)
