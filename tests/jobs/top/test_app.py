"""How often `tmgg-jobs top` looks, and what it says."""

import logging
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

pytest.importorskip("textual")

from tests.jobs.conftest import Jobs
from tests.jobs.top.driving import Fixed, drive, see
from tmgg.cli.top.app import LOOK_INTERVAL_S, TopApp
from tmgg.cli.top.snapshot import Looker, Snapshot
from tmgg.errors import UnreadableError

if TYPE_CHECKING:
    from textual.pilot import Pilot


def test_looks_are_rare_however_often_somebody_asks(empty: Path) -> None:
    """A look is two calls of Slurm's commands at most: 0.2 a second are not exceeded."""
    now = [0.0]
    looker = Fixed(Snapshot())
    app = TopApp(looker, clock=lambda: now[0])

    async def act(pilot: "Pilot[None]") -> None:
        await see(pilot, "no sweeps or runs found")
        for _ in range(20):
            await pilot.press("f5")
            now[0] += LOOK_INTERVAL_S / 20
        await pilot.press("f5")
        await pilot.pause(0.2)

    drive(app, act)
    assert looker.looks == 2
    assert 2 / (LOOK_INTERVAL_S * 0.95) < 0.2


class Blind(Looker):
    """Where the file system does not answer."""

    def look(self) -> Snapshot:
        logging.getLogger("tmgg").warning("squeue did not [red]answer\x1b[0m")
        raise UnreadableError("the folder cannot be read now")


def test_what_cannot_be_seen_and_warnings_are_notes(empty: Path) -> None:
    async def act(pilot: "Pilot[None]") -> None:
        await see(
            pilot, "nothing can be seen now: the folder", r"squeue did not [red]answer\x1b[0m"
        )

    handlers = logging.getLogger().handlers
    try:
        drive(TopApp(Blind()), act)
    finally:
        logging.getLogger().handlers = handlers


def test_without_a_terminal_it_says_what_works_there(tmgg_jobs: Jobs) -> None:
    piped = tmgg_jobs("top")
    assert piped.code == 2
    assert "tmgg-jobs list and watch work in a pipe" in piped.err
