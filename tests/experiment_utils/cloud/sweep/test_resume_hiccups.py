"""A launch that begins while a folder does not answer waits, and then submits nothing twice."""

import errno
import math
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.fakes.clock import FakeClock
from tests.fakes.hiccup import Hiccup
from tests.fakes.slurm.fake import FakeSlurm
from tmgg.cli.selection import find_several
from tmgg.errors import TmggError, UnknownRunError, UnreadableError
from tmgg.experiment_utils.cloud import SlurmConfig, SlurmRunner
from tmgg.experiment_utils.cloud.runs import SweepMode
from tmgg.experiment_utils.files.hiccups import HICCUP_GRACE_S
from tmgg.experiment_utils.run_folder.known_folders import home_folder
from tmgg.experiment_utils.run_folder.removed_folder import LOOK_AGAIN_S

LAB = "def double(config):\n    return 2 * config.x\n"
CONFIGS = [{"experiment": {"_target_": "lab:double"}, "x": x} for x in (1, 2)]
PLACES = [".", ".sweeps", ".batches", "RUN"]


@pytest.fixture
def folder(folder: Path) -> Path:
    (folder / "lab.py").write_text(LAB)
    return folder


@pytest.fixture
def hiccup(monkeypatch: pytest.MonkeyPatch) -> Hiccup:
    return Hiccup(monkeypatch)


def new_runner(clock: FakeClock | None = None, output_dir: str = "slurm_outputs") -> SlurmRunner:
    config = SlurmConfig(nodes=1, gpus_per_task=0, mem_per_cpu="1MB", output_dir=output_dir)
    return SlurmRunner(config, clock=clock)


def move(source: Path, target: Path) -> None:
    source.rename(target)


@pytest.mark.parametrize("mode", ["separate", "array"])
@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("number", [errno.EACCES, errno.ESTALE, errno.EIO])
def test_a_resume_that_begins_during_a_hiccup_waits_for_its_end(
    slurm: FakeSlurm,
    folder: Path,
    hiccup: Hiccup,
    clock: FakeClock,
    number: int,
    place: str,
    mode: SweepMode,
) -> None:
    first = new_runner()
    sweep = first.spawn_sweep(CONFIGS, mode=mode)
    jobs = len(slurm.jobs)
    if place == "RUN":
        place = sweep.run_ids[0] if mode == "separate" else f".batches/{sweep.sweep_id}.1"
    hiccup.begin(first.output_dir / place, number)
    clock.after(60.0, hiccup.end)
    again = new_runner(clock).spawn_sweep(CONFIGS, mode=mode, resume=True)
    assert clock.now_s >= 1_060.0
    assert (again.run_ids, len(slurm.jobs)) == (sweep.run_ids, jobs)


@pytest.mark.parametrize("place", PLACES)
def test_a_resume_during_a_hiccup_that_lasts_longer_than_the_grace_submits_nothing(
    slurm: FakeSlurm, folder: Path, hiccup: Hiccup, clock: FakeClock, place: str
) -> None:
    first = new_runner()
    sweep = first.spawn_sweep(CONFIGS, mode="separate")
    hiccup.begin(first.output_dir / place.replace("RUN", sweep.run_ids[0]), errno.EIO)
    with pytest.raises(UnreadableError, match="cannot be read"):
        new_runner(clock).spawn_sweep(CONFIGS, mode="separate", resume=True)
    assert clock.now_s == pytest.approx(1_000 + HICCUP_GRACE_S, abs=2)
    assert len(slurm.jobs) == 2


@pytest.mark.parametrize("mode", ["separate", "array"])
@pytest.mark.parametrize("place", [".", ".sweeps", ".batches"])
@pytest.mark.parametrize("number", [errno.EACCES, errno.ESTALE, errno.EIO])
def test_a_launch_that_begins_during_a_hiccup_waits_for_its_end(
    slurm: FakeSlurm,
    folder: Path,
    hiccup: Hiccup,
    clock: FakeClock,
    number: int,
    place: str,
    mode: SweepMode,
) -> None:
    first = new_runner()
    first.spawn_sweep(CONFIGS, mode=mode)
    jobs = len(slurm.jobs)
    hiccup.begin(first.output_dir / place, number)
    clock.after(60.0, hiccup.end)
    new_runner(clock).spawn_sweep(CONFIGS, mode=mode)
    assert clock.now_s >= 1_060.0
    assert len(slurm.jobs) == 2 * jobs


@pytest.mark.parametrize("number", [errno.EACCES, errno.ESTALE, errno.EIO])
def test_a_single_run_that_begins_during_a_hiccup_waits_for_its_end(
    slurm: FakeSlurm, folder: Path, hiccup: Hiccup, clock: FakeClock, number: int
) -> None:
    new_runner().spawn_experiment(CONFIGS[0], run_id="a")
    hiccup.begin(folder / "slurm_outputs", number)
    clock.after(60.0, hiccup.end)
    new_runner(clock).spawn_experiment(CONFIGS[1], run_id="b")
    assert clock.now_s >= 1_060.0
    assert len(slurm.jobs) == 2


def test_a_resume_waits_for_an_output_folder_that_is_away(
    slurm: FakeSlurm, folder: Path, clock: FakeClock
) -> None:
    runner = new_runner(output_dir="disk/runs")
    sweep = runner.spawn_sweep(CONFIGS, mode="separate")
    disk, away = folder / "disk", folder / "away"
    disk.rename(away)
    disk.mkdir()  # what is left of a file system that is not mounted
    with pytest.raises(UnreadableError, match="had runs and is not found now"):
        new_runner(clock, "disk/runs").spawn_sweep(CONFIGS, mode="separate", resume=True)
    assert not runner.output_dir.exists()
    assert clock.now_s >= 1_000 + HICCUP_GRACE_S
    disk.rmdir()
    clock.after(60.0, lambda: move(away, disk))
    again = new_runner(clock, "disk/runs").spawn_sweep(CONFIGS, mode="separate", resume=True)
    assert (again.run_ids, len(slurm.jobs)) == (sweep.run_ids, 2)


def test_a_resume_waits_where_another_file_system_is_in_the_place_of_the_one_with_the_runs(
    slurm: FakeSlurm, folder: Path, clock: FakeClock
) -> None:
    runner = new_runner()
    runner.spawn_sweep(CONFIGS, mode="separate")
    known = home_folder() / "folders"
    known.write_text(f"mount {runner.output_dir}\t/somewhere/else\n{runner.output_dir}\n")
    runner.output_dir.rename(folder / "away")
    with pytest.raises(UnreadableError, match="had runs and is not found now"):
        new_runner(clock).spawn_sweep(CONFIGS, mode="separate", resume=True)
    assert clock.now_s >= 1_000 + HICCUP_GRACE_S


def test_a_resume_does_not_wait_for_an_output_folder_that_was_removed(
    slurm: FakeSlurm, folder: Path, clock: FakeClock, caplog: pytest.LogCaptureFixture
) -> None:
    runner = new_runner()
    first = runner.spawn_sweep(CONFIGS, mode="separate")
    shutil.rmtree(runner.output_dir)
    again = new_runner(clock).spawn_sweep(CONFIGS, mode="separate", resume=True)
    assert clock.now_s == 1_000 + LOOK_AGAIN_S
    assert not {*again.run_ids} & {*first.run_ids}
    assert f"{runner.output_dir} had runs and was removed" in caplog.text


def by_sweep(runner: SlurmRunner) -> None:
    runner.spawn_sweep(CONFIGS, mode="array")


def by_resume(runner: SlurmRunner) -> None:
    runner.spawn_sweep(CONFIGS, mode="separate", resume=True)


def by_single_run(runner: SlurmRunner) -> None:
    runner.spawn_experiment(CONFIGS[0], run_id="single")


def by_submit(runner: SlurmRunner) -> None:
    runner.submit(math.sqrt, 4).count_as_cancelled()


@pytest.mark.parametrize("launch", [by_sweep, by_resume, by_single_run, by_submit])
@pytest.mark.parametrize("how", ["moved", "removed", "made anew", "used anew"])
def test_a_process_that_launched_before_does_not_wait_for_a_folder_that_was_removed(
    slurm: FakeSlurm,
    folder: Path,
    clock: FakeClock,
    caplog: pytest.LogCaptureFixture,
    launch: Callable[[SlurmRunner], None],
    how: str,
) -> None:
    runner = new_runner(clock)
    runner.spawn_sweep(CONFIGS, mode="array")
    runner.spawn_sweep(CONFIGS, mode="separate")
    before = len(slurm.submissions())
    runner.output_dir.rename(folder / "away")
    if how == "removed":
        shutil.rmtree(folder / "away")
    if how.endswith("anew"):
        runner.output_dir.mkdir()
    if how == "used anew":
        (runner.output_dir / ".ended").mkdir()
    launch(runner)
    assert clock.now_s <= 1_000 + 2 * LOOK_AGAIN_S
    assert len(slurm.submissions()) > before
    assert "does not answer" not in caplog.text
    assert runner.runs.existing(["single"]) == (["single"] if launch is by_single_run else [])


@pytest.mark.parametrize("launch", [by_sweep, by_resume, by_single_run, by_submit])
@pytest.mark.parametrize("is_empty", [True, False])
def test_a_process_that_launched_before_waits_for_a_folder_that_may_come_back(
    slurm: FakeSlurm,
    folder: Path,
    clock: FakeClock,
    launch: Callable[[SlurmRunner], None],
    is_empty: bool,
) -> None:
    runner = new_runner(clock)
    runner.poll(runner.spawn_sweep(CONFIGS, mode="array").run_ids)
    known = home_folder() / "folders"
    known.write_text(f"mount {runner.output_dir}\t/somewhere/else\n{runner.output_dir}\n")
    runner.output_dir.rename(folder / "away")
    if is_empty:
        runner.output_dir.mkdir()  # where nothing is mounted now
    with pytest.raises(UnreadableError, match="Nothing was submitted"):
        launch(runner)
    assert clock.now_s >= 1_000 + HICCUP_GRACE_S
    assert len(slurm.submissions()) == 1


def test_a_resume_waits_for_a_folder_that_is_back_at_the_second_look(
    slurm: FakeSlurm, folder: Path, clock: FakeClock
) -> None:
    runner = new_runner()
    first = runner.spawn_sweep(CONFIGS, mode="separate")
    away = folder / "away"
    runner.output_dir.rename(away)
    clock.after(LOOK_AGAIN_S, lambda: move(away, runner.output_dir))
    again = new_runner(clock).spawn_sweep(CONFIGS, mode="separate", resume=True)
    assert again.run_ids == first.run_ids


def test_a_resume_waits_where_a_link_to_the_output_folder_leads_nowhere(
    slurm: FakeSlurm, folder: Path, clock: FakeClock
) -> None:
    (folder / "scratch").mkdir()
    (folder / "slurm_outputs").symlink_to(folder / "scratch")
    new_runner().spawn_sweep(CONFIGS, mode="separate")
    (folder / "scratch").rename(folder / "away")
    with pytest.raises(UnreadableError, match="had runs and is not found now"):
        new_runner(clock).spawn_sweep(CONFIGS, mode="separate", resume=True)


def test_a_folder_that_never_had_runs_and_cannot_be_made_is_refused_at_once(
    slurm: FakeSlurm, folder: Path, clock: FakeClock
) -> None:
    (folder / "slurm_outputs").write_text("")
    for resume in (False, True):
        with pytest.raises(TmggError, match="Nothing was submitted"):
            new_runner(clock).spawn_sweep(CONFIGS, mode="separate", resume=resume)
    assert clock.naps_s == []


def test_a_folder_that_never_was_is_empty(slurm: FakeSlurm, folder: Path) -> None:
    assert len(new_runner().spawn_sweep(CONFIGS, mode="separate", resume=True).run_ids) == 2
    assert len(slurm.jobs) == 2


@pytest.mark.parametrize("number", [errno.EACCES, errno.ESTALE, errno.EIO])
def test_a_run_in_a_folder_that_does_not_answer_is_not_called_unknown(
    slurm: FakeSlurm, folder: Path, hiccup: Hiccup, number: int
) -> None:
    runner = new_runner()
    sweep = runner.spawn_sweep(CONFIGS, mode="separate")
    hiccup.begin(runner.output_dir, number)
    for text in (sweep.sweep_id, sweep.run_ids[0]):
        with pytest.raises(UnreadableError):
            find_several([text], [runner.output_dir])
    hiccup.end()
    with pytest.raises(UnknownRunError):
        find_several(["nobody"], [runner.output_dir])
