"""`tmgg-jobs gc` beside others: it looks again once nobody can submit a run any more."""

import os
import time
from pathlib import Path

import pytest
import typer

from tests.jobs.conftest import BAD, GOOD, Jobs
from tmgg.cli.commands import gc
from tmgg.errors import RunExistsError
from tmgg.experiment_utils.cloud.local.runner import LocalRunner
from tmgg.experiment_utils.run_folder import removal
from tmgg.experiment_utils.run_folder.paths import RunPaths


def make_old(here: Path, *run_ids: str) -> None:
    for run_id in run_ids:
        verdict = RunPaths(here / "local_outputs", run_id).submission(1).verdict
        at = time.time() - 40 * 86400
        os.utime(verdict, (at, at))


def test_a_run_that_is_retried_while_gc_asks_stays(
    here: Path, tmgg_jobs: Jobs, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_old(here, GOOD, BAD)
    runner = LocalRunner()
    monkeypatch.setattr(gc, "_at_terminal", lambda: True)
    monkeypatch.setattr(typer, "confirm", lambda *_, **__: runner.retry(BAD))
    done = tmgg_jobs("gc")
    assert f"run {BAD} was submitted again just now; left alone" in done.err
    assert done.out == f"removed {here}/local_outputs/{GOOD}\n"
    assert runner.get_result(BAD).attempts == 2
    assert RunPaths(here / "local_outputs", BAD).submission_numbers() == [1, 2]


def test_what_is_being_removed_cannot_be_submitted_again(here: Path, tmgg_jobs: Jobs) -> None:
    runner = LocalRunner()
    paths = RunPaths(runner.output_dir, BAD)

    def may_go() -> bool:
        with pytest.raises(RunExistsError, match="tmgg-jobs gc is removing the run"):
            runner.retry(BAD)
        return True

    assert removal.remove_run(paths, with_output=True, may_go=may_go)
    assert not paths.folder.exists()


def test_a_removal_that_is_not_to_be_leaves_the_run_as_it_was(here: Path) -> None:
    runner = LocalRunner()
    paths = RunPaths(runner.output_dir, BAD)
    assert not removal.remove_run(paths, with_output=True, may_go=lambda: False)
    runner.retry(BAD)
    assert runner.get_result(BAD).attempts == 2


@pytest.mark.parametrize("step", ["note_removed", "_empty"])
def test_a_removal_that_is_killed_leaves_nothing_for_a_later_run_to_read(
    here: Path, tmgg_jobs: Jobs, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    def killed(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    runner = LocalRunner()
    paths = RunPaths(runner.output_dir, GOOD)
    (paths.artifacts / "last.ckpt").write_text("weights")
    make_old(here, GOOD)
    with monkeypatch.context() as patch:
        patch.setattr(removal, step, killed)
        assert tmgg_jobs("gc", "--yes").code == 130
    # What is left says what it said, and nothing outside its folder could be another run's.
    assert not paths.submission(1).ended.exists()
    assert not paths.stdout.exists()
    if step == "note_removed":
        assert LocalRunner().get_status(GOOD) == "completed"
    make_old(here, BAD)  # so that there is something to do
    assert tmgg_jobs("gc", "--yes").code == 0
    assert (paths.artifacts / "last.ckpt").read_text() == "weights"
    assert not list(runner.output_dir.glob(".*.removed.tmp"))
    assert GOOD not in tmgg_jobs("list", "--all").out
