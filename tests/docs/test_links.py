"""Every link between the pages leads somewhere."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").glob("**/*.md")])
_LINK = re.compile(r"\]\((?!https?://|mailto:)(?P<path>[^)#\s]*)(#(?P<anchor>[^)\s]+))?\)")
_CODE = re.compile(r"^```.*?^```$|`[^`\n]+`", re.MULTILINE | re.DOTALL)


def dead_links(page: Path, text: str) -> list[str]:
    """Links of the text whose file or heading is not there."""
    dead = []
    for link in _LINK.finditer(_CODE.sub("", text)):
        target = page.parent / link["path"] if link["path"] else page
        if not target.exists() or (link["anchor"] and link["anchor"] not in anchors(target)):
            dead.append(link[0])
    return dead


def anchors(page: Path) -> set[str]:
    """Of a page's headings, as GitHub and MkDocs make them."""
    headings = re.findall(r"^#+ (.+)$", page.read_text(), re.MULTILINE)
    return {
        re.sub(r"[^\w -]", "", heading.lower()).strip().replace(" ", "-") for heading in headings
    }


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_link_is_alive(page: Path) -> None:
    assert dead_links(page, page.read_text()) == []


def test_a_dead_link_is_seen() -> None:
    page = ROOT / "docs" / "jobs.md"
    text = "[a](records.md) [b](gone.md) [c](records.md#no-such-heading) `[d](code.md)`"
    assert dead_links(page, text) == ["](gone.md)", "](records.md#no-such-heading)"]


def test_every_page_is_in_the_readme() -> None:
    readme = (ROOT / "README.md").read_text()
    missing = [page.name for page in (ROOT / "docs").glob("*.md") if page.name not in readme]
    assert missing == []
