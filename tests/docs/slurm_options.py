"""The reference page of all Slurm options, from the one table that defines them.

`python -m tests.docs.slurm_options` writes it.
"""

import dataclasses
from pathlib import Path
from typing import Any

from tmgg.experiment_utils.cloud.field_meanings import field_meanings
from tmgg.experiment_utils.cloud.slurm.config import SlurmConfig

PAGE = Path(__file__).parents[2] / "docs" / "slurm-options.md"
_HEADER = """# Slurm options

Each is a field of `SlurmConfig` and the key `hydra.launcher.slurm_<field>`.

| field | default | meaning |
|---|---|---|
"""


def render_reference() -> str:
    """The page in Markdown."""
    meanings = {
        name: meaning.replace("|", "\\|") for name, meaning in field_meanings(SlurmConfig).items()
    }
    rows = [
        f"| `{item.name}` | `{_shown(_default(item))}` | {meanings[item.name]} |"
        for item in dataclasses.fields(SlurmConfig)
    ]
    return _HEADER + "\n".join(rows) + "\n"


def _default(item: "dataclasses.Field[Any]") -> Any:
    made = item.default_factory
    return item.default if made is dataclasses.MISSING else made()


def _shown(default: Any) -> str:
    """As YAML writes it."""
    if isinstance(default, tuple):
        return str(list(default))
    if default is None:
        return "null"
    return str(default).lower() if isinstance(default, bool) else str(default)


if __name__ == "__main__":
    PAGE.write_text(render_reference())
