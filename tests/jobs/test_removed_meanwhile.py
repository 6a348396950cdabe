"""A run that `tmgg-jobs gc` removes while a command looks at it is told as removed; others go on.

Each command is called as often as it looks at another file of the run: each time the run is removed
just before that look.
"""

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.fakes.removal import Removing
from tests.jobs.conftest import BAD, DIVERGING, GOOD, Ended, Jobs
from tmgg.errors import RemovedRunError, UnknownRunError
from tmgg.experiment_utils.cloud.local.runner import LocalRunner
from tmgg.experiment_utils.cloud.runs import SpawnedTask
from tmgg.experiment_utils.cloud.runs_on_record.reattach import Reattached
from tmgg.experiment_utils.run_folder import removed_runs
from tmgg.experiment_utils.run_folder.paths import RunPaths
from tmgg.experiment_utils.run_folder.removal import remove_run

NEVER_TOLD = ("damaged", "has no", "cannot be read", "not begun", "not found now")
MOST_STEPS = 300
REMOVED = "removed in the meantime"
OTHER = "bad-2"
ALONE = [
    "show", "show --json", "explain", "logs", "logs --follow", "wait --timeout 20s", "collect",
    "cancel", "retry", "list --json",
]  # fmt: skip
WITH_OTHERS = ["wait --timeout 20s", "collect", "cancel", "retry --set timeout_seconds=99"]


@pytest.fixture
def removing(monkeypatch: pytest.MonkeyPatch) -> Removing:
    return Removing(monkeypatch)


@pytest.fixture
def two_failed(here: Path) -> Path:
    LocalRunner().run_experiment({"experiment": {"_target_": "work:bad"}}, run_id=OTHER)
    return here


def at_each_step(here: Path, removing: Removing, call: Callable[[], None]) -> None:
    """Call with the run removed before its first look at one of its files, its second, ..."""
    paths = RunPaths(here / "local_outputs", BAD)
    kept = here / "kept"
    shutil.copytree(paths.output_dir, kept)
    for step in range(MOST_STEPS):
        removing.begin(paths, step)
        call()
        removing.end()
        if paths.run.exists():
            assert step > 3
            for run in paths.output_dir.glob("bad-*/run.json"):  # a retry goes on
                LocalRunner().get_result(run.parent.name)
            return
        shutil.rmtree(paths.output_dir)
        shutil.copytree(kept, paths.output_dir)
    raise AssertionError("it looks again and again")


def is_told(done: Ended) -> bool:
    told = done.out + done.err
    assert not [words for words in NEVER_TOLD if words in told], told
    assert "/tmgg/" not in done.err  # a traceback of TMGG's own
    return REMOVED in told or f"no run begins with '{BAD}'" in told


@pytest.mark.parametrize("command", ALONE)
def test_a_run_that_is_removed_meanwhile_is_reported_as_such_or_as_it_was(
    here: Path, tmgg_jobs: Jobs, removing: Removing, command: str
) -> None:
    name, *options = command.split()
    run = [] if name == "list" else [BAD]
    as_it_was = None if name == "retry" else tmgg_jobs(name, *run, *options)

    def call() -> None:
        done = tmgg_jobs(name, *run, *options)
        if is_told(done):
            assert done.code == (0 if name == "list" else 3), done
        elif as_it_was is not None and BAD in done.out + done.err + name:
            assert (done.code, done.out) == (as_it_was.code, as_it_was.out)

    at_each_step(here, removing, call)


@pytest.mark.parametrize("command", WITH_OTHERS)
def test_the_others_of_a_command_go_on(
    two_failed: Path, tmgg_jobs: Jobs, removing: Removing, command: str
) -> None:
    name, *options = command.split()

    def call() -> None:
        done = tmgg_jobs(name, GOOD, BAD, OTHER, *options)
        if is_told(done) and "no run begins" not in done.err:
            if name == "retry":
                assert done.out.startswith(f"run {OTHER} submitted again as local job"), done
                assert done.code == 0
                LocalRunner().get_result(OTHER)
            else:
                assert GOOD in done.out
                assert OTHER in done.out
                assert done.code == (0 if name == "cancel" else 1)

    at_each_step(two_failed, removing, call)


def test_a_completed_run_does_not_hide_that_another_was_removed(
    here: Path, tmgg_jobs: Jobs, removing: Removing
) -> None:
    for name, key in (("wait", "runs"), ("collect", "results")):

        def call(name: str = name, key: str = key) -> None:
            done = tmgg_jobs(name, GOOD, BAD, "--json")
            if "no run begins" in done.err:
                return
            shown = [run["run_id"] for run in done.json[key]]
            assert (shown, done.json.get("removed"), done.code) in [
                ([GOOD], [BAD], 3), ([GOOD, BAD], None, 1),
            ]  # fmt: skip

        at_each_step(here, removing, call)
        shutil.rmtree(here / "kept")


def test_a_runner_says_so_too(here: Path, removing: Removing) -> None:
    def call() -> None:
        told = ""
        try:
            result = LocalRunner().get_result(BAD)
        except (RemovedRunError, UnknownRunError) as error:
            told = str(error)
        if told:
            assert REMOVED in told or f"no run '{BAD}' in" in told
        else:
            assert (result.run_id, result.status) == (BAD, "failed")

    at_each_step(here, removing, call)


def remove(run_id: str) -> None:
    assert remove_run(
        RunPaths(LocalRunner().output_dir, run_id), with_output=False, may_go=lambda: True
    )


@pytest.mark.parametrize(
    ("removed", "submitted", "code", "words"),
    [
        ([BAD, OTHER], [], 3, "nothing was retried: 2 of these runs were removed, as said above"),
        ([BAD], [OTHER], 2, "other processes submitted 1 of these runs; tmgg-jobs wait waits"),
        ([], [BAD, OTHER], 2, "nothing was retried: other processes submitted 2 of these runs"),
        ([BAD], [], 0, f"run {BAD} is left out: run {BAD} was removed in the meantime"),
    ],
)
def test_a_retry_says_what_became_of_runs_that_others_removed_or_submitted(
    two_failed: Path,
    tmgg_jobs: Jobs,
    monkeypatch: pytest.MonkeyPatch,
    removed: list[str],
    submitted: list[str],
    code: int,
    words: str,
) -> None:
    retry = Reattached.retry

    def after_others(reattached: Reattached, paths: RunPaths, *rest: object) -> SpawnedTask:
        if paths.run_id in removed:
            remove(paths.run_id)
        if paths.run_id in submitted:
            LocalRunner().retry(paths.run_id)
        return retry(reattached, paths, *rest)  # type: ignore[arg-type]

    monkeypatch.setattr(Reattached, "retry", after_others)
    done = tmgg_jobs("retry", BAD, OTHER)
    assert words in done.err
    assert done.code == code
    assert "all of these" not in done.err
    for run_id in {BAD, OTHER} - {*removed}:
        assert LocalRunner().get_result(run_id).attempts == 2


def test_a_retry_beside_a_removal_that_was_interrupted_blames_nobody_else(
    two_failed: Path, tmgg_jobs: Jobs
) -> None:
    for run_id in (BAD, OTHER):
        (RunPaths(LocalRunner().output_dir, run_id).folder / "2").touch()
    done = tmgg_jobs("retry", BAD, OTHER)
    assert (done.code, done.out) == (2, "")
    assert "nothing was retried: 2 of these runs cannot be submitted now, as said above" in done.err
    assert "tmgg-jobs gc is removing the run" in done.err


def test_a_run_made_anew_is_not_the_one_that_was_removed(here: Path, tmgg_jobs: Jobs) -> None:
    remove(GOOD)
    shutil.rmtree(here / "local_outputs" / GOOD, ignore_errors=True)
    LocalRunner().run_experiment({"experiment": {"_target_": "work:good"}}, run_id=GOOD)
    assert tmgg_jobs("show", GOOD, "--json").json["status"] == "completed"


def test_notes_of_removals_do_not_grow_for_ever(
    here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(removed_runs, "LARGEST_NOTES_BYTES", 4)
    remove(BAD)
    remove(GOOD)
    notes = RunPaths(here / "local_outputs", GOOD).removal_notes(os.geteuid())
    assert notes.read_text() == f"{GOOD}\n"
    assert removed_runs.is_removed(RunPaths(here / "local_outputs", GOOD))
    assert not removed_runs.is_removed(RunPaths(here / "local_outputs", DIVERGING))
