"""What may be typed for a run: its id, an unambiguous beginning, a sweep's id."""

import os
from pathlib import Path

import pytest

from tests.fakes.slurm.fake import FakeSlurm
from tests.jobs.conftest import BAD, DIVERGING, GOOD, Jobs, record_sweep, submit, task
from tmgg.cli.selection import complete_run, find_one, find_several
from tmgg.errors import ConfigError, UnknownRunError
from tmgg.experiment_utils.cloud.slurm.config import SlurmConfig
from tmgg.experiment_utils.cloud.slurm.runner import SlurmRunner
from tmgg.experiment_utils.run_folder.doctor_runs import new_doctor_run_id
from tmgg.experiment_utils.run_folder.known_folders import known_folders, remember_folder
from tmgg.experiment_utils.run_folder.paths import RunPaths, SweepPaths
from tmgg.hydra_plugins.sweep_name import sweep_name

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
    with pytest.raises(ConfigError, match=r"(?s)'good' means 2 runs.*good-1.*good-2"):
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


def sweep(*run_ids: str, sweep_id: str = SWEEP, name: str = "") -> SweepPaths:
    """Put a sweep of these runs on record."""
    return record_sweep(Path.cwd() / "local_outputs", sweep_id, run_ids, name=name)


def found(text: str) -> list[str]:
    return [run.run_id for run in find_several([text], None)]


def test_a_part_of_an_id_that_no_other_has_is_enough(here: Path) -> None:
    assert find_one("verging", None).run_id == DIVERGING
    with pytest.raises(ConfigError, match="'d-1' means 2 runs"):
        find_one("d-1", None)
    with pytest.raises(UnknownRunError):
        find_one("vi", None)


def test_a_job_id_is_enough(empty: Path, slurm: FakeSlurm) -> None:
    first, second = submit("one"), submit("two")
    assert (found(first), found(second)) == (["one"], ["two"])
    submit(f"{first}5-and-more")
    with pytest.raises(ConfigError, match="means 2 runs"):
        find_one(first, None)


def test_the_job_of_an_array_means_its_runs(empty: Path, slurm: FakeSlurm) -> None:
    runner = SlurmRunner(SlurmConfig(nodes=1, ray_bootstrap="none"))
    known = runner.spawn_sweep([task("good"), task("good", x=1)], mode="array")
    (state, *_) = runner.poll(known.run_ids)
    assert state.job_id is not None
    array = state.job_id.partition("_")[0]
    assert found(array) == known.run_ids
    assert found(f"{array}_1") == known.run_ids[1:]


def test_a_local_job_is_found_by_its_process(here: Path, tmgg_jobs: Jobs) -> None:
    job = tmgg_jobs("show", GOOD, "--json").json["job_id"]
    assert found(job) == [GOOD]


def test_a_sweep_is_found_by_its_name_and_by_the_beginning_of_its_id(here: Path) -> None:
    sweep(GOOD, BAD, name="two seeds")
    assert found("two seeds") == [GOOD, BAD]
    sweep(DIVERGING, sweep_id="20261123-130000-0123abcd", name="two seeds")
    with pytest.raises(ConfigError, match=rf"(?s)means 3 runs.*{SWEEP} \(a sweep, 2 runs\)"):
        find_several(["two seeds"], None)


def test_a_name_that_begins_other_runs_is_ambiguous(here: Path) -> None:
    sweep(DIVERGING, name="good")
    with pytest.raises(ConfigError, match="'good' means 2 runs"):
        find_several(["good"], None)


def test_last_is_the_newest_run_or_sweep(here: Path) -> None:
    outputs = here / "local_outputs"
    for seconds, run_id in enumerate((BAD, GOOD, DIVERGING)):
        os.utime(RunPaths(outputs, run_id).run, (seconds, seconds))
    assert found("last") == [DIVERGING]
    assert [found(run_id) for run_id in (GOOD, BAD)] == [[GOOD], [BAD]]
    paths = sweep(GOOD, BAD)
    assert found("last") == [GOOD, BAD]
    # A run of an older sweep may begin after a newer run was submitted.
    os.utime(paths.record, (1, 1))
    assert found("last") == [DIVERGING]
    (outputs / DIVERGING).rename(outputs / "last")
    assert found("last") == ["last"]


def test_last_is_no_run_of_the_doctors(here: Path) -> None:
    outputs = here / "local_outputs"
    newest = find_one("last", None).run_id
    (outputs / newest).rename(outputs / new_doctor_run_id())
    assert find_one("last", None).run_id in {GOOD, BAD, DIVERGING} - {newest}
    assert find_one("doctor-", None).run_id.startswith("doctor-")


def test_a_run_that_the_user_named_after_the_doctor_may_be_the_last(here: Path) -> None:
    outputs = here / "local_outputs"
    (outputs / find_one("last", None).run_id).rename(outputs / "doctor-who")
    assert find_one("last", None).run_id == "doctor-who"


def test_last_is_never_anothers(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 12345)
    with pytest.raises(UnknownRunError):
        find_one("last", None)


def test_the_candidates_fill_five_lines_at_most(empty: Path, slurm: FakeSlurm) -> None:
    for number in range(9):
        submit(f"r-{number}")
    with pytest.raises(ConfigError) as error:
        find_one("r-", None)
    lines = str(error.value).splitlines()
    assert len(lines) == 5
    assert lines[-1].strip() == "and 6 more"


@pytest.mark.parametrize(
    ("folder", "name"),
    [
        ("outputs/two_seeds", "two_seeds"),
        ("multirun/2026-11-23/14-15-03", "train"),
        ("multirun", "train"),
        ("/", "train"),
    ],
)
def test_a_sweep_is_called_by_its_folder_or_its_program(folder: str, name: str) -> None:
    assert sweep_name(Path(folder), "train") == name


def test_the_short_id_of_a_table_means_that_run(empty: Path, slurm: FakeSlurm) -> None:
    for number in (1, 10, 11):
        submit(f"{SWEEP}-{number}")
    assert found("0123abcd-1") == [f"{SWEEP}-1"]
    assert len(found("0123abcd")) == 3


@pytest.mark.parametrize(
    "command", ["list", "show", "logs", "wait", "watch", "collect", "explain", "retry", "gc"]
)
def test_a_working_directory_that_was_removed_hides_no_run(
    here: Path, tmgg_jobs: Jobs, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, command: str
) -> None:
    remember_folder(here / "local_outputs")
    runs = [] if command == "list" else ["--older-than", "30d"] if command == "gc" else [GOOD]
    as_before = tmgg_jobs(command, *runs)
    gone = tmp_path / "gone"
    gone.mkdir()
    monkeypatch.chdir(gone)
    gone.rmdir()
    told = tmgg_jobs(command, *runs)
    assert (told.code, told.err) == (as_before.code, as_before.err)


def test_what_needs_the_working_directory_says_that_it_was_removed(
    here: Path, tmgg_jobs: Jobs, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    remember_folder(here / "local_outputs")
    gone = tmp_path / "gone"
    gone.mkdir()
    monkeypatch.chdir(gone)
    gone.rmdir()
    chosen = tmgg_jobs("list", "--folder", "local_outputs")
    assert (chosen.code, "give an absolute path" in chosen.err) == (3, True)
    assert tmgg_jobs("list", "--folder", str(here / "local_outputs")).code == 0
    assert "cannot be written" in tmgg_jobs("report", GOOD).err
    planned = tmgg_jobs("plan")
    assert planned.code == 2
    assert "working directory is not there any more" in planned.err
