"""What a wait looks like on a terminal: a bar, counts in colours, failures, the best, the speed."""

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from tmgg.console.durations import render_duration
from tmgg.console.printing import STATUS_STYLES
from tmgg.console.progress import (
    SweepProgress,
    Titles,
    render_best,
    render_counts,
    render_failed,
    render_speed,
)
from tmgg.console.visible import visible, visible_line

if TYPE_CHECKING:
    from rich.text import Text

FAILURES_SHOWN = 4
LONGEST_BAR = 48
# Shapes differ, not only colours: some people and terminals cannot distinguish colours.
_SHAPES = {"completed": "█", "failed": "▒", "running": "━", "pending": "·"}
_ASCII = {"completed": "#", "failed": "x", "running": ">", "pending": "."}
_COUNTED = re.compile(r"\b\d+ (?P<status>completed|failed|running|pending)\b")


def render_screen(
    progress: SweepProgress,
    titles: Titles,
    *,
    elapsed_s: float,
    width: int,
    is_ascii: bool = False,
) -> "Text":
    """All lines about a sweep; none is longer than the terminal is wide. Pure."""
    from rich.text import Text  # takes 0.05 s to import; not needed in pipes and scripts

    clock = f"{render_duration(elapsed_s)}  "
    room = max(8, width - len(clock))
    lines = [
        _counts(progress),
        render_bar(progress, width=min(room, LONGEST_BAR), is_ascii=is_ascii),
        *_failures(progress, titles),
        *(Text(visible_line(line)) for line in _words(progress, titles) if line),
    ]
    screen = Text(no_wrap=True, overflow="ellipsis")
    for number, line in enumerate(lines):
        line.truncate(room, overflow="ellipsis")
        lead = clock if number == 0 else "\n" + " " * len(clock)
        screen.append(lead, "bold" if number == 0 else "").append_text(line)
    return screen


def render_bar(progress: SweepProgress, *, width: int, is_ascii: bool = False) -> "Text":
    """A bar with a proportional part for each status, and how many runs have ended. Pure."""
    from rich.text import Text  # as above

    told = f" {progress.ended} of {progress.total - len(progress.left_out)}"
    count = Counter(state.status for state in progress.seen.values())
    numbers = {status: count[status] for status in _SHAPES}  # type: ignore[index]
    numbers["pending"] += progress.total - len(progress.seen) - len(progress.left_out)
    bar = Text()
    shapes = _ASCII if is_ascii else _SHAPES
    for status, cells in _share(numbers, max(4, width - len(told))).items():
        bar.append(shapes[status] * cells, "dim" if status == "pending" else STATUS_STYLES[status])
    return bar.append(told)


def _share(numbers: Mapping[str, int], width: int) -> dict[str, int]:
    """Divide `width` cells in proportion to the numbers; one above 0 gets at least one cell."""
    total = max(1, sum(numbers.values()))
    cells = {
        name: max(1, width * number // total) if number else 0 for name, number in numbers.items()
    }
    largest = max(cells, key=lambda name: cells[name])
    cells[largest] = max(0, cells[largest] + width - sum(cells.values()))
    return cells


def _counts(progress: SweepProgress) -> "Text":
    from rich.text import Text  # as above

    states, left_out = list(progress.seen.values()), len(progress.left_out)
    line = render_counts(
        states, total=progress.total, left_out=left_out, recognised=progress.not_looked_at
    )
    text = Text(visible(line).replace("\n", " "))
    for found in _COUNTED.finditer(text.plain):
        text.stylize(STATUS_STYLES[found["status"]], *found.span())
    return text


def _failures(progress: SweepProgress, titles: Titles) -> "list[Text]":
    from rich.text import Text  # as above

    failed = progress.failed
    told: Sequence[str] = [
        visible_line(render_failed(state, titles, with_id=False))
        for state in failed[-FAILURES_SHOWN:]
    ]
    earlier = len(failed) - len(told)
    lines = [f"{earlier} more failed before", *told] if earlier > 0 else told
    return [Text(line, STATUS_STYLES["failed"]) for line in lines]


def _words(progress: SweepProgress, titles: Titles) -> list[str]:
    return [render_speed(progress), render_best(progress, titles, is_short=True)]
