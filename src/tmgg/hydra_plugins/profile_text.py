"""A launcher file as text: each line of `setup` with its reason above it. Pure."""

import textwrap
from collections.abc import Sequence
from typing import Any

import yaml

from tmgg.console.visible import visible_line
from tmgg.experiment_utils.cloud.slurm.setup.profile import Line

_WIDTH = 98
# Two characters that YAML refuses even in a comment, and that `visible_line` does not replace.
_NOT_IN_YAML = {0xFFFE: "\\ufffe", 0xFFFF: "\\uffff"}
_BASE = "defaults:\n  - tmgg_slurm\n  - _self_\n\nuse_slurm: true\n"


def render_profile(lines: Sequence[Line], *, header: Sequence[str]) -> str:
    """The whole file; lines whose value is not known are commented out."""
    told = ["# @package hydra.launcher", *(row for text in header for row in _comment(text))]
    return "\n".join([*told, "", _BASE + "".join(_entry(line) for line in lines)])


def _entry(line: Line) -> str:
    value = yaml.safe_dump(line.value, default_flow_style=True, width=100_000).splitlines()[0]
    text = f"{line.key}: {value}"
    if isinstance(line.value, str) and line.value[:1].isdigit() and ":" in value:
        text = f'{line.key}: "{line.value}"'  # 10:00:00 without quotes is a number to YAML
    shown = text if line.is_known else "\n".join(f"# {row}" for row in text.splitlines())
    return "\n".join(["", *_comment(line.reason), shown, ""])


def _comment(text: Any) -> list[str]:
    """Comment lines that YAML can read, whatever the text contains."""
    rows = [
        row
        for part in str(text).splitlines()
        for row in textwrap.wrap(visible_line(part).translate(_NOT_IN_YAML), _WIDTH) or [""]
    ]
    return [f"# {row}".rstrip() for row in rows]
