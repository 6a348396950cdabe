"""The parts of docs/troubleshooting.md that are tables of the program's own words.

`python -m tests.docs.troubleshooting_tables` writes them into the page.
"""

from pathlib import Path

from tmgg.experiment_utils.cloud.slurm.site.doctor.findings import CHECKS
from tmgg.experiment_utils.cloud.slurm.site.reasons import REASONS

PAGE = Path(__file__).parents[2] / "docs" / "troubleshooting.md"
_OUTLOOK = {"waits": "starts by itself", "blocked": "**does not start by itself**"}


def render_reasons() -> str:
    """Slurm's reasons as `tmgg-jobs explain` puts them."""
    rows = [
        f"| `{name}` | {words} | {_OUTLOOK[outlook]} | {advice} |"
        for name, (words, outlook, advice) in sorted(REASONS.items())
    ]
    return "\n".join(["| reason | meaning | outlook | what to do |", "|---|---|---|---|", *rows])


def render_checks() -> str:
    """The doctor's checks, in their order."""
    rows = [f"| `{name}` | {what} |" for name, what in CHECKS.items()]
    return "\n".join(["| check | it is `ok` when |", "|---|---|", *rows])


BLOCKS = {"reasons": render_reasons, "doctor": render_checks}


def with_tables(text: str) -> str:
    """The page with its tables as they should be."""
    for name, render in BLOCKS.items():
        begin, end = f"<!-- {name}: begin -->\n", f"<!-- {name}: end -->"
        before, _, rest = text.partition(begin)
        _, _, after = rest.partition(end)
        text = f"{before}{begin}\n{render()}\n\n{end}{after}"
    return text


if __name__ == "__main__":
    PAGE.write_text(with_tables(PAGE.read_text()))
