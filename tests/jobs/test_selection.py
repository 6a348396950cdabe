"""What may be typed for a run: its id, an unambiguous beginning, a sweep's id."""

from pathlib import Path

import pytest

from tests.fakes.slurm.fake import FakeSlurm
from tests.jobs.conftest import BAD, GOOD, Jobs, submit
from tmgg.cli.selection import complete_run, find_one, find_several
from tmgg.errors import ConfigError, UnknownRunError
from tmgg.experiment_utils.registry import known_folders, remember_folder

SWEEP = "20261123-120000-0123abcd"


def test_an_unambiguous_beginning_is_enough(here: Path) -> None:
    assert find_one("g", None).run_id == GOOD
    assert find_one(GOOD, None).run_id == GOOD


def test_a_whole_id_wins_over_longer_ones(here: Path) -> None:
    outputs = here / "local_outputs"
    (outputs / GOOD).rename(outputs / "run")
    (outputs / BAD).rename(outputs / "run-2")
    assert find_one("run", None).run_id == "run"


def test_an_ambiguous_beginning_is_refused_with_the_candidates(here: Path) -> None:
    (here / "local_outputs" / BAD).rename(here / "local_outputs" / "good-2")
    with pytest.raises(ConfigError, match=r"'good' means 2 runs: .*good-1, .*good-2"):
        find_one("good", None)


@pytest.mark.parametrize("text", ["zzz", "", "../escape", "*", "good-1/1"])
def test_what_no_run_begins_with_is_unknown(here: Path, text: str) -> None:
    with pytest.raises(UnknownRunError, match="no run begins with"):
        find_one(text, None)


@pytest.mark.parametrize(
    "command", ["show", "logs", "wait", "collect", "cancel", "retry", "explain"]
)
def test_every_command_refuses_an_unknown_run_alike(
    here: Path, tmgg_jobs: Jobs, command: str
) -> None:
    ended = tmgg_jobs(command, "zzz")
    assert (ended.code, ended.out) == (3, "")
    assert "tmgg-jobs list --all" in ended.err


def test_the_same_id_in_two_folders_needs_a_folder(here: Path, tmp_path: Path) -> None:
    other = tmp_path / "other"
    other.mkdir()
    (here / "local_outputs" / BAD).rename(other / GOOD)
    remember_folder(other)
    with pytest.raises(ConfigError, match="--folder"):
        find_one(GOOD, None)
    assert find_one(GOOD, [other]).paths.output_dir == other


def test_a_sweeps_id_means_all_its_runs_each_once(empty: Path, slurm: FakeSlurm) -> None:
    for run_id in (f"{SWEEP}-0", f"{SWEEP}-1", "20261124-120000-0123abcd-0"):
        submit(run_id)
    found = find_several([SWEEP, f"{SWEEP}-1"], None)
    assert [run.run_id for run in found] == [f"{SWEEP}-0", f"{SWEEP}-1"]
    with pytest.raises(ConfigError, match="means 3 runs"):
        find_several(["202611"], None)
    with pytest.raises(ConfigError, match="means 2 runs"):
        find_one(SWEEP, None)


def test_runs_that_only_look_alike_are_no_sweep(empty: Path, slurm: FakeSlurm) -> None:
    submit("20261123-120000-12345678")
    submit("20261123-120000-23456789")
    with pytest.raises(ConfigError, match="means 2 runs"):
        find_several(["20261123-120000"], None)


def test_completion_offers_the_runs_that_begin_so(here: Path) -> None:
    assert complete_run("") == [BAD, "diverging-1", GOOD]
    assert complete_run("go") == [GOOD]
    assert complete_run("zzz") == []


def test_folders_that_are_gone_are_passed_over(here: Path, tmp_path: Path) -> None:
    remember_folder(tmp_path / "gone")
    assert tmp_path / "gone" in known_folders()
    assert find_one(GOOD, None).run_id == GOOD
