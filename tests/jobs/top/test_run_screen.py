"""The page of a run in `tmgg-jobs top`."""

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

pytest.importorskip("textual")

from tests.jobs.conftest import BAD, GOOD
from tests.jobs.top.driving import drive, open_run, see
from tmgg.cli.top.app import TopApp
from tmgg.cli.top.log_tail import LogTail
from tmgg.cli.top.snapshot import Looker

if TYPE_CHECKING:
    from textual.pilot import Pilot


def test_from_sweeps_to_runs_to_the_page_of_a_run(here: Path) -> None:
    async def act(pilot: "Pilot[None]") -> None:
        await see(pilot, "(none)", "done")
        await pilot.press("enter")
        await see(pilot, GOOD, BAD, "user_error: ", "completed")
        while GOOD not in pilot.app.screen.chosen()[0].run_id:  # type: ignore[attr-defined]
            await pilot.press("down")
        await pilot.press("enter")
        await see(pilot, "timeline", "the backend took the job", "epochs", "0.25", "line two")
        await pilot.press("escape")
        await see(pilot, BAD)

    drive(TopApp(Looker()), act)


def test_a_log_is_followed_and_acts_on_nothing(here: Path) -> None:
    log = here / "local_outputs" / f"{GOOD}.out"

    async def act(pilot: "Pilot[None]") -> None:
        await open_run(pilot, GOOD)
        await see(pilot, "line two")
        with log.open("a") as stream:
            stream.write("10%\r90%\x1b[31m red \x1b[0m[bold]\x1b]0;PWN\x07 end\n")
        await see(pilot, r"90% red [bold]\x1b]0;PWN\x07 end")
        await pilot.press("s")
        await see(pilot, "stderr")

    drive(TopApp(Looker()), act)


def test_a_log_that_begins_anew_is_read_from_its_beginning(tmp_path: Path) -> None:
    log = tmp_path / "log"
    tail = LogTail(log)
    assert tail.read_new() == ""
    log.write_text("one\ntwo\n")
    assert tail.read_new() == "one\ntwo\n"
    assert tail.read_new() == ""
    log.write_text("new\n")
    assert tail.read_new() == "new\n"
