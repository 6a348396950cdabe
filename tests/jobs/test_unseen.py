"""What `tmgg-jobs` cannot see it says, and never takes for what is not there."""

import errno
from pathlib import Path

import pytest

from tests.fakes.hiccup import Hiccup
from tests.jobs.conftest import BAD, GOOD, Jobs
from tests.jobs.test_gc_races import make_old
from tmgg.experiment_utils.cloud.local.config import LocalConfig
from tmgg.experiment_utils.cloud.local.runner import LocalRunner
from tmgg.experiment_utils.run_folder.paths import RunPaths

ERRORS = [errno.EACCES, errno.ESTALE, errno.EIO]


@pytest.fixture
def hiccup(monkeypatch: pytest.MonkeyPatch) -> Hiccup:
    return Hiccup(monkeypatch)


@pytest.mark.parametrize("number", ERRORS)
def test_list_says_that_a_folder_does_not_answer_and_shows_the_others(
    here: Path, tmgg_jobs: Jobs, hiccup: Hiccup, number: int
) -> None:
    other = LocalRunner(LocalConfig(output_dir="others"))
    other.spawn_experiment({"experiment": {"_target_": "work:good"}}, run_id="other-1")
    other.get_result("other-1")
    hiccup.begin(here / "local_outputs", number)
    listed = tmgg_jobs("list")
    assert listed.code == 4
    assert "other-1" in listed.out
    assert f"the runs in {here}/local_outputs cannot be read now" in listed.err
    (unseen,) = tmgg_jobs("list", "--json").json["unseen"]
    assert unseen["folder"] == str(here / "local_outputs")
    assert tmgg_jobs("show", "other-1").code == 0
    assert tmgg_jobs("show", "other-").code == 4
    hiccup.end()
    assert tmgg_jobs("list").code == 0


@pytest.mark.parametrize("number", ERRORS)
def test_list_shows_a_run_whose_folder_does_not_answer(
    here: Path, tmgg_jobs: Jobs, hiccup: Hiccup, number: int
) -> None:
    hiccup.begin(here / "local_outputs" / GOOD, number)
    listed = tmgg_jobs("list")
    assert listed.code == 4
    told = {line.split()[0]: line.split()[1] for line in listed.out.splitlines()[1:]}
    assert told[GOOD] == "unknown"
    assert told[BAD] == "failed"


@pytest.mark.parametrize("number", ERRORS)
@pytest.mark.parametrize("place", [".", GOOD, ".batches"])
def test_gc_says_what_it_cannot_see_and_removes_nothing_of_it(
    here: Path, tmgg_jobs: Jobs, hiccup: Hiccup, number: int, place: str
) -> None:
    make_old(here, GOOD)
    (here / "local_outputs" / ".batches").mkdir(exist_ok=True)
    hiccup.begin(here / "local_outputs" / place, number)
    done = tmgg_jobs("gc", "--yes")
    assert done.out == ""
    if place != GOOD:
        assert done.code == 4
        assert "cannot be read now" in done.err
    hiccup.end()
    assert RunPaths(here / "local_outputs", GOOD).folder.is_dir()
    assert tmgg_jobs("gc", "--yes").out == f"removed {here}/local_outputs/{GOOD}\n"


def test_a_sweep_whose_record_cannot_be_read_is_not_taken_for_some_of_its_runs(
    here: Path, tmgg_jobs: Jobs, hiccup: Hiccup
) -> None:
    runner = LocalRunner()
    config = {"experiment": {"_target_": "work:good"}}
    sweep = runner.spawn_sweep([config, config | {"x": 1}])
    hiccup.begin(here / "local_outputs" / ".sweeps", errno.EIO)
    asked = tmgg_jobs("cancel", sweep.sweep_id)
    assert asked.code == 4
    assert "cannot be read now" in asked.err
    hiccup.end()
    for run_id in sweep.run_ids:
        runner.get_result(run_id)
    assert tmgg_jobs("wait", sweep.sweep_id).code == 0
