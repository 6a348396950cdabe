"""The parts of docs/troubleshooting.md that are tables of the program's own words.

`python -m tests.troubleshooting.generated` writes them into the page.
"""

from tests.troubleshooting.messages import GUIDE, Source
from tmgg.experiment_utils.cloud.slurm.reasons import REASONS

_OUTLOOK = {"waits": "starts by itself", "blocked": "**does not start by itself**"}


def render_reasons() -> str:
    """Slurm's reasons as `tmgg-jobs explain` puts them."""
    rows = [
        f"| `{name}` | {words} | {_OUTLOOK[outlook]} | {advice} |"
        for name, (words, outlook, advice) in sorted(REASONS.items())
    ]
    return "\n".join(["| reason | meaning | outlook | what to do |", "|---|---|---|---|", *rows])


def render_findings() -> str:
    """The doctor's complaints with its advice."""
    rows = [
        f"| {level} | {text} | {advice} |" for level, text, advice in sorted(Source().findings())
    ]
    return "\n".join(["| | text | advice |", "|---|---|---|", *rows])


BLOCKS = {"reasons": render_reasons, "doctor": render_findings}


def block_of(text: str, name: str) -> str:
    """What stands between the marks of a block."""
    return text.partition(f"<!-- {name}: begin -->\n")[2].partition(f"<!-- {name}: end -->")[0]


def main() -> None:
    text = GUIDE.read_text()
    for name, render in BLOCKS.items():
        begin, end = f"<!-- {name}: begin -->\n", f"<!-- {name}: end -->"
        before, _, rest = text.partition(begin)
        _, _, after = rest.partition(end)
        text = f"{before}{begin}\n{render()}\n\n{end}{after}"
    GUIDE.write_text(text)


if __name__ == "__main__":
    main()
