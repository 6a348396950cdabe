"""`tmgg-jobs top` without a terminal: keys go in, the text on the screen comes out."""

import asyncio
import html
import re
import time
from collections.abc import Awaitable, Callable

from textual.pilot import Pilot

from tmgg.cli.top.app import TopApp
from tmgg.cli.top.snapshot import Looker, Snapshot

PATIENCE_S = 60


def drive(app: TopApp, act: Callable[["Pilot[None]"], Awaitable[None]]) -> None:
    """Run the program without a terminal, 100 cells wide, and use it."""

    async def run() -> None:
        async with app.run_test(size=(100, 40), notifications=True) as pilot:
            await act(pilot)

    asyncio.run(run())


def shown(pilot: "Pilot[None]") -> str:
    """The text on the screen, line by line."""
    found = re.findall(r'<text[^>]* y="([\d.]+)"[^>]*>(.*?)</text>', pilot.app.export_screenshot())
    lines: dict[str, str] = {}
    for place, text in found:
        lines[place] = lines.get(place, "") + text
    return html.unescape("\n".join(lines.values())).replace("\xa0", " ")


async def see(pilot: "Pilot[None]", *texts: str) -> str:
    """Wait until all of it is on the screen."""
    deadline = time.monotonic() + PATIENCE_S
    while True:
        await pilot.pause(0.05)
        screen = shown(pilot)
        if all(text in screen for text in texts):
            return screen
        assert time.monotonic() < deadline, f"not seen: {texts}\n{screen}"


async def open_run(pilot: "Pilot[None]", run_id: str) -> None:
    await see(pilot, "(none)")
    await pilot.press("enter")
    await see(pilot, run_id)
    while pilot.app.screen.chosen()[0].run_id != run_id:  # type: ignore[attr-defined]
        await pilot.press("down")
    await pilot.press("enter")
    await see(pilot, "timeline")


class Fixed(Looker):
    """Sees the same at each look, and counts them."""

    def __init__(self, snapshot: Snapshot) -> None:
        super().__init__()
        self.snapshot = snapshot
        self.looks = 0

    def look(self) -> Snapshot:
        self.looks += 1
        return self.snapshot
