"""The pages of the site that are made of something else; `make docs` builds all of them."""

from pathlib import Path

import pytest

pytest.importorskip("mkdocs")

from docs_site import hooks
from tmgg import __all__ as public_names
from tmgg.cli.jobs import _COMMANDS

ROOT = Path(__file__).parents[2]


def test_the_readmes_links_lead_to_pages_of_the_site() -> None:
    text = "[a](docs/slurm.md#x) ![p](docs/p.svg) [c](CONTRIBUTING.md) [r](https://ray.io) [h](#h)"
    assert hooks.first_page(text) == (
        "[a](slurm.md#x) ![p](p.svg) [c](../CONTRIBUTING.md) [r](https://ray.io) [h](#h)"
    )


def test_the_reference_of_commands_has_each_with_its_options() -> None:
    text = hooks.render_commands()
    for name in _COMMANDS:
        assert f"### tmgg-jobs {name}\n" in text
    assert "| `--folder DIR` |" in text


def test_the_reference_of_python_has_each_public_name() -> None:
    text = hooks.render_python()
    for name in public_names:
        assert name.startswith("__") or f".{name}\n" in text


def test_every_page_is_in_the_navigation() -> None:
    navigation = (ROOT / "mkdocs.yml").read_text().partition("nav:")[2]
    pages = {page.name for page in (ROOT / "docs").glob("*.md")}
    assert {name for name in pages if f" {name}" not in navigation} == set()
