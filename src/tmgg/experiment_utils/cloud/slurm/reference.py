"""The reference page of all Slurm options, from the one table that defines them.

`python -m tmgg.experiment_utils.cloud.slurm.reference > docs/slurm-options.md`
"""

import ast
import dataclasses
import inspect
import sys
from typing import Any

from tmgg.experiment_utils.cloud.slurm.config import SlurmConfig

_HEADER = """# Slurm options

Each is a field of `SlurmConfig` and the key `hydra.launcher.slurm_<field>`.

| field | default | meaning |
|---|---|---|
"""


def render_reference() -> str:
    """The page in Markdown; a test compares it with the one in docs."""
    meanings = field_meanings(SlurmConfig)
    rows = [
        f"| `{item.name}` | `{_shown(item.default)}` | {meanings[item.name]} |"
        for item in dataclasses.fields(SlurmConfig)
    ]
    return _HEADER + "\n".join(rows) + "\n"


def field_meanings(config_class: type) -> dict[str, str]:
    """The text under each field of a class, on one line; Python keeps it only in the source."""
    (cls,) = ast.parse(inspect.getsource(config_class)).body
    assert isinstance(cls, ast.ClassDef)
    meanings: dict[str, str] = {}
    for field, text in zip(cls.body, cls.body[1:], strict=False):
        match field, text:
            case (
                ast.AnnAssign(target=ast.Name(id=name)),
                ast.Expr(value=ast.Constant(value=str(meaning))),
            ):
                meanings[name] = " ".join(meaning.split()).replace("|", "\\|")
    return meanings


def _shown(default: Any) -> str:
    """As YAML writes it."""
    if isinstance(default, tuple):
        return str(list(default))
    if default is None:
        return "null"
    return str(default).lower() if isinstance(default, bool) else str(default)


if __name__ == "__main__":
    sys.stdout.write(render_reference())
