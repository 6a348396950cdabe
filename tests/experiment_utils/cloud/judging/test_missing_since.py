"""Since when something is missing: one wait for all processes, also if they cannot write there."""

import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.experiment_utils.cloud.slurm.runner.conftest import PLAIN, config, paths_of
from tests.fakes.slurm.fake import FakeSlurm
from tmgg.experiment_utils.cloud import SlurmRunner
from tmgg.experiment_utils.cloud.runs import RunState
from tmgg.experiment_utils.files.atomic_file import write_json
from tmgg.experiment_utils.files.trust import read_json
from tmgg.experiment_utils.run_folder.known_folders import home_folder
from tmgg.experiment_utils.run_folder.ownership import claim

LONG_S = 1000.0
Look = Callable[[], RunState]


@pytest.fixture
def look(slurm: FakeSlurm, folder: Path) -> Look:
    """How the run stands for a new process. The job has ended, and its result is missing."""
    runner = SlurmRunner(PLAIN)
    job_id = str(runner.spawn_experiment(config(), run_id="run").job_id)
    claim(paths_of(runner), job_id)
    slurm.change_job(job_id, state="FAILED", reason="NonZeroExitCode", exit_status=74 * 256)
    return lambda: SlurmRunner(PLAIN).poll(["run"])[0]


@pytest.fixture
def unwritable(look: Look) -> Path:
    """The note in the run's folder, which no process can write."""
    missing = paths_of(SlurmRunner(PLAIN)).missing
    (missing / "in the way").mkdir(parents=True)
    return missing


def notes() -> list[Path]:
    return sorted((home_folder() / "missing").glob("*.json"))


def let_time_pass(note: Path, **changes: object) -> None:
    noted = read_json(note)
    assert noted is not None
    write_json(note, noted | {"since": time.time() - LONG_S} | changes)


def test_a_process_that_looks_once_ends_the_wait_of_one_before_it(look: Look) -> None:
    assert look().status == "running"
    let_time_pass(paths_of(SlurmRunner(PLAIN)).missing)
    assert look().status == "failed"
    assert notes() == []


@pytest.mark.usefixtures("unwritable")
def test_processes_share_the_wait_also_if_the_runs_folder_cannot_be_written(look: Look) -> None:
    assert [look().status, look().status] == ["running", "running"]
    (note,) = notes()
    let_time_pass(note)
    assert look().status == "failed"


@pytest.mark.usefixtures("unwritable")
def test_the_note_in_the_home_goes_when_the_end_is_on_record(look: Look) -> None:
    look()
    let_time_pass(*notes())
    assert look().status == "failed"
    assert notes() == []


@pytest.mark.usefixtures("unwritable")
def test_a_later_start_is_not_missing_since_the_earlier_one_was(look: Look) -> None:
    look()
    let_time_pass(*notes(), restart=5)
    assert look().status == "running"
    (note,) = notes()
    noted = read_json(note)
    assert noted is not None
    assert (noted["restart"], time.time() - noted["since"] < LONG_S) == (0, True)


@pytest.mark.usefixtures("unwritable")
def test_a_job_that_comes_back_is_missing_no_more(look: Look, slurm: FakeSlurm) -> None:
    look()
    slurm.change_job(str(look().job_id), state="RUNNING")
    assert look().status == "running"
    assert notes() == []


@pytest.mark.usefixtures("unwritable")
def test_a_home_that_cannot_be_written_does_not_keep_a_run_from_being_looked_up(
    look: Look, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("TMGG_HOME", str(tmp_path / "file"))
    assert look().status == "running"


@pytest.mark.parametrize("content", ["", "[]", '{"version": 1, "since": "x"}'])
def test_a_damaged_note_is_written_anew(look: Look, content: str) -> None:
    missing = paths_of(SlurmRunner(PLAIN)).missing
    missing.write_text(content)
    missing.chmod(0o600)
    assert look().status == "running"
    noted = read_json(missing)
    assert noted is not None
    assert isinstance(noted["since"], float)
