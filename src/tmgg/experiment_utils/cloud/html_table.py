"""Names and values as a small HTML table for notebooks; values are escaped. Pure."""

import html
from collections.abc import Sequence

from tmgg.console.visible import visible


def render_facts(facts: Sequence[tuple[str, str]]) -> str:
    """The HTML of the table. Facts without a value are left out."""
    rows = [
        f"<tr><th style='text-align:left'>{_safe(name)}</th>"
        f"<td style='text-align:left;white-space:pre-wrap'>{_safe(value)}</td></tr>"
        for name, value in facts
        if value
    ]
    return f"<table>{''.join(rows)}</table>"


def _safe(text: str) -> str:
    return html.escape(visible(text), quote=True)
