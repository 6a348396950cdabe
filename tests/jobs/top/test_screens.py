"""`tmgg-jobs top`, driven by keys: sweeps, runs, a run's page, and what its keys do to runs."""

import asyncio
import html
import re
import time
from collections.abc import Awaitable, Callable
from dataclasses import replace
from pathlib import Path

import pytest

from tests.jobs.conftest import BAD, GOOD, Jobs, task
from tmgg.cli.top.snapshot import Looker, ShownGroup, ShownRun, Snapshot
from tmgg.experiment_utils.cloud.local.runner import LocalConfig, LocalRunner
from tmgg.experiment_utils.cloud.runs import RunState, TaskRequest
from tmgg.experiment_utils.cloud.runs_on_record.known_run import KnownRun
from tmgg.experiment_utils.run_folder.paths import RunPaths
from tmgg.experiment_utils.run_folder.registry import RunRecord, load_found_run

pytest.importorskip("textual")

from textual.pilot import Pilot

from tmgg.cli.top.app import LOOK_INTERVAL_S, TopApp
from tmgg.cli.top.screens import GroupScreen

PATIENCE_S = 60
RUNS = 1000
DRAWN_IN_S = 0.5


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


async def open_run(pilot: "Pilot[None]", run_id: str) -> None:
    await see(pilot, "(none)")
    await pilot.press("enter")
    await see(pilot, run_id)
    while pilot.app.screen.chosen()[0].run_id != run_id:  # type: ignore[attr-defined]
        await pilot.press("down")
    await pilot.press("enter")
    await see(pilot, "timeline")


def test_what_others_wrote_is_no_markup(empty: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    runner = LocalRunner(LocalConfig())
    titles = ("name=[red]one[/red]", "name=two\x1b[31m")
    sweep = runner.spawn_sweep(
        [TaskRequest(config=task("bad"), title=title) for title in titles], name="[blink]sweep"
    )
    for run_id in sweep.run_ids:
        runner.get_result(run_id)

    async def act(pilot: "Pilot[None]") -> None:
        await see(pilot, "[blink]sweep")
        await pilot.press("enter")
        await see(pilot, "[red]one[/red]", r"two\x1b[31m")
        await pilot.press("e")
        await see(pilot, "HINT:", "ValueError: boom")

    drive(TopApp(Looker()), act)


def test_cancel_asks_first(slow_run: str, tmgg_jobs: Jobs) -> None:
    def status() -> str:
        return str(tmgg_jobs("show", slow_run, "--json").json["status"])

    async def act(pilot: "Pilot[None]") -> None:
        await open_run(pilot, slow_run)
        await pilot.press("c")
        await see(pilot, f"Cancel run {slow_run}?")
        await pilot.press("n")
        while "Cancel run" in shown(pilot):
            await pilot.pause(0.05)
        await pilot.press("r")
        await see(pilot, "no such run is chosen")
        assert status() == "running"
        await pilot.press("c")
        await see(pilot, "Cancel run")
        await pilot.press("y")
        await see(pilot, "1 of 1 runs are being cancelled")

    drive(TopApp(Looker()), act)
    assert tmgg_jobs("wait", slow_run).code == 1


def test_a_failed_run_is_submitted_again(here: Path, tmgg_jobs: Jobs) -> None:
    async def act(pilot: "Pilot[None]") -> None:
        await open_run(pilot, BAD)
        await pilot.press("r")
        await see(pilot, f"Submit again run {BAD}?")
        await pilot.press("y")
        await see(pilot, "1 of 1 failed runs are submitted again")

    drive(TopApp(Looker()), act)
    tmgg_jobs("wait", BAD)
    assert tmgg_jobs("show", BAD, "--json").json["attempt"] == 2


class Pretended(Looker):
    """A thousand runs, and how often somebody looked."""

    looks = 0

    def look(self) -> Snapshot:
        Pretended.looks += 1
        return Snapshot([ShownGroup("", None, many_runs())])


def many_runs() -> list[ShownRun]:
    record = KnownRun(RunPaths(Path("/nowhere"), "r"), _record())
    return [
        ShownRun(
            replace(record, paths=RunPaths(Path("/nowhere"), f"20261123-091502-4be1c0de-{number}")),
            RunState(run_id=f"20261123-091502-4be1c0de-{number}", status="running", final=False),
        )
        for number in range(RUNS)
    ]


def _record() -> RunRecord:
    runner = LocalRunner(LocalConfig(output_dir="outputs"))
    runner.run_experiment(
        {"experiment": {"_target_": "tests.jobs.top.test_screens:nothing"}}, run_id="r"
    )
    return load_found_run(RunPaths(Path("outputs"), "r"))


def nothing(_config: object) -> dict[str, float]:
    return {}


def test_a_thousand_runs_are_drawn_in_half_a_second(empty: Path) -> None:
    snapshot = Pretended().look()
    took: list[float] = []

    async def act(pilot: "Pilot[None]") -> None:
        await see(pilot, "(none)")
        for _ in range(3):  # what else this machine does makes a moment longer
            before = time.process_time()
            pilot.app.push_screen(GroupScreen(""))
            await pilot.pause()
            took.append(time.process_time() - before)
            assert "4be1c0de-0" in shown(pilot)

    app = TopApp(_Fixed(snapshot))
    drive(app, act)
    assert min(took) < DRAWN_IN_S, took


class _Fixed(Looker):
    def __init__(self, snapshot: Snapshot) -> None:
        super().__init__()
        object.__setattr__(self, "_snapshot", snapshot)

    def look(self) -> Snapshot:
        return self._snapshot  # type: ignore[attr-defined,no-any-return]


def test_looks_are_rare_however_often_somebody_asks(empty: Path) -> None:
    """A look is two calls of Slurm's commands at most: 0.2 a second are not exceeded."""
    now = [0.0]
    Pretended.looks = 0
    app = TopApp(Pretended(), clock=lambda: now[0])

    async def act(pilot: "Pilot[None]") -> None:
        await see(pilot, "(none)")
        for _ in range(20):
            await pilot.press("f5")
            now[0] += LOOK_INTERVAL_S / 20
        await pilot.press("f5")
        await pilot.pause(0.2)

    drive(app, act)
    assert Pretended.looks == 2
    assert 2 / (LOOK_INTERVAL_S * 0.95) <= 0.2


def test_without_a_terminal_or_textual_it_says_what_to_do(
    tmgg_jobs: Jobs, monkeypatch: pytest.MonkeyPatch
) -> None:
    piped = tmgg_jobs("top")
    assert piped.code == 2
    assert "tmgg-jobs list and watch work in a pipe" in piped.err
