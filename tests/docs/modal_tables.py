"""The tables of docs/modal.md, from the code that defines them.

`python -m tests.docs.modal_tables` writes them into the page.
"""

import dataclasses
from pathlib import Path
from typing import Any

from tmgg.experiment_utils.cloud import ModalConfig
from tmgg.experiment_utils.cloud.field_meanings import field_meanings
from tmgg.experiment_utils.cloud.modal.gpus import GPUS
from tmgg.experiment_utils.cloud.modal.hints import MODAL_HINTS

PAGE = Path(__file__).parents[2] / "docs" / "modal.md"


def render_options() -> str:
    meanings = field_meanings(ModalConfig)
    rows = [
        f"| `{item.name}` | `{_shown(item)}` | {meanings[item.name]} |"
        for item in dataclasses.fields(ModalConfig)
    ]
    return "\n".join(["| field | default | meaning |", "|---|---|---|", *rows])


def render_gpus() -> str:
    rows = [f"| `{name}` | {gpu.memory_gb} GB | {gpu.most} |" for name, gpu in GPUS.items()]
    return "\n".join(["| `gpu_type` | memory | most in a container |", "|---|---|---|", *rows])


def render_hints() -> str:
    return "\n".join(f"- {hint}" for hint in MODAL_HINTS.values())


TABLES = {"options": render_options, "gpus": render_gpus, "hints": render_hints}


def with_tables(page: str) -> str:
    """The page with its tables as they should be."""
    for name, render in TABLES.items():
        before, begin, rest = page.partition(f"<!-- generated: {name} -->\n")
        _old, end, after = rest.partition("<!-- end -->")
        page = f"{before}{begin}\n{render()}\n\n{end}{after}"
    return page


def _shown(item: "dataclasses.Field[Any]") -> str:
    if item.default_factory is not dataclasses.MISSING:
        return str(item.default_factory())
    value = list(item.default) if isinstance(item.default, tuple) else item.default
    return "null" if value is None else str(value)


if __name__ == "__main__":
    PAGE.write_text(with_tables(PAGE.read_text()))
