"""`tmgg-jobs top`, driven by keys: sweeps, runs, a run's page, and what its keys do to runs."""

import time
from dataclasses import replace
from pathlib import Path

import pytest

from tests.jobs.conftest import BAD, Jobs, task
from tmgg.cli.top.snapshot import Looker, ShownGroup, ShownRun, Snapshot
from tmgg.experiment_utils.cloud.local.config import LocalConfig
from tmgg.experiment_utils.cloud.local.runner import LocalRunner
from tmgg.experiment_utils.cloud.runs import RunState, TaskRequest
from tmgg.experiment_utils.cloud.runs_on_record.known_run import KnownRun
from tmgg.experiment_utils.run_folder.paths import RunPaths
from tmgg.experiment_utils.run_folder.registry import RunRecord, load_found_run

pytest.importorskip("textual")

from textual.pilot import Pilot

from tests.jobs.top.driving import Fixed, drive, open_run, see, shown
from tmgg.cli.top.app import TopApp
from tmgg.cli.top.screens import GroupScreen

RUNS = 1000
DRAWN_IN_S = 0.5


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
        # Not by the command: what is printed meanwhile is the program's.
        return LocalRunner().get_status(slow_run)

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
    snapshot = Snapshot([ShownGroup("", None, many_runs())])
    took: list[float] = []

    async def act(pilot: "Pilot[None]") -> None:
        await see(pilot, "(none)")
        for _ in range(3):  # what else this machine does makes a moment longer
            before = time.process_time()
            pilot.app.push_screen(GroupScreen(""))
            await pilot.pause()
            took.append(time.process_time() - before)
            assert "4be1c0de-0" in shown(pilot)

    app = TopApp(Fixed(snapshot))
    drive(app, act)
    assert min(took) < DRAWN_IN_S, took
