"""Two sweeps with one `hydra.sweep.dir`: the second is refused while runs of the first go on."""

import os
import time
from pathlib import Path

import pytest

from tests.fakes.slurm.fake import FakeSlurm
from tests.hydra.conftest import Lab
from tmgg.errors import ConfigError
from tmgg.experiment_utils.cloud import LocalConfig, LocalRunner, SlurmConfig, SlurmRunner
from tmgg.experiment_utils.files import leases
from tmgg.hydra_plugins.sweep_folder import noted

TASK = {"experiment": {"_target_": "lab:run"}}


@pytest.fixture
def slurm(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> FakeSlurm:
    fake = FakeSlurm(tmp_path / "fake-slurm")
    fake.install()
    monkeypatch.setenv("PATH", f"{fake.bin_folder}:{os.environ['PATH']}")
    monkeypatch.setenv("TMGG_HOME", str(tmp_path / "tmgg-home"))
    monkeypatch.chdir(tmp_path)
    return fake


@pytest.fixture
def runner(slurm: FakeSlurm) -> SlurmRunner:
    return SlurmRunner(SlurmConfig(nodes=1, ray_bootstrap="none", gpus_per_task=0))


def folders(sweep_dir: Path, *run_ids: str) -> dict[str, str]:
    return {run_id: str(sweep_dir / run_id[-1]) for run_id in run_ids}


def launch(runner: SlurmRunner, sweep_dir: Path, *run_ids: str) -> None:
    with noted(sweep_dir, runner.output_dir, folders(sweep_dir, *run_ids)):
        for run_id in run_ids:
            runner.spawn_experiment(TASK, run_id=run_id)


def test_the_second_is_refused_until_the_runs_of_the_first_have_ended(
    runner: SlurmRunner, slurm: FakeSlurm, tmp_path: Path
) -> None:
    sweep = tmp_path / "multirun" / "18-00-00"
    launch(runner, sweep, "a-0", "a-1")
    with pytest.raises(
        ConfigError, match=r"run 'a-1', which has not .*hydra\.sweep\.dir='multirun"
    ):
        launch(runner, sweep, "b-1", "b-2")
    assert sorted(job["name"] for job in slurm.jobs.values()) == ["tmgg-experiment"] * 2
    runner.cancel("a-1")
    launch(runner, sweep, "b-1", "b-2")
    assert len(slurm.jobs) == 4


def test_other_folders_below_it_and_the_run_itself_are_no_conflict(
    runner: SlurmRunner, tmp_path: Path
) -> None:
    launch(runner, tmp_path, "a-0")
    launch(runner, tmp_path, "b-1")
    with noted(tmp_path, runner.output_dir, folders(tmp_path, "a-0")):
        pass
    launch(runner, tmp_path / "other", "c-0")


def test_one_that_is_still_launching_counts_though_no_run_of_it_is_on_record(
    runner: SlurmRunner, tmp_path: Path
) -> None:
    with (
        noted(tmp_path, runner.output_dir, folders(tmp_path, "a-0")),
        pytest.raises(ConfigError, match="has not ended"),
        noted(tmp_path, runner.output_dir, folders(tmp_path, "b-0")),
    ):
        pytest.fail("two have one folder")
    launch(runner, tmp_path, "b-0")


def test_one_that_was_killed_before_it_put_a_run_on_record_does_not(
    runner: SlurmRunner, tmp_path: Path
) -> None:
    with noted(tmp_path, runner.output_dir, folders(tmp_path, "a-0")):
        (note,) = (tmp_path / ".tmgg").glob("*.json")
        long_ago = time.time() - leases.LEASE_S - 1
        os.utime(note, (long_ago, long_ago))
        launch(runner, tmp_path, "b-0")


def test_a_note_that_is_damaged_or_gone_bars_nobody(runner: SlurmRunner, tmp_path: Path) -> None:
    launch(runner, tmp_path, "a-0")
    (note,) = (tmp_path / ".tmgg").glob("*.json")
    note.write_text('{"version": 1, "runs": 3}')
    launch(runner, tmp_path, "b-0")


def test_a_folder_that_cannot_be_written_is_reported(
    runner: SlurmRunner, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / ".tmgg").write_text("")
    launch(runner, tmp_path, "a-0")
    assert "whether other sweeps write into" in caplog.text


def test_a_launch_into_the_folder_of_a_sweep_that_goes_on_says_the_way_out(lab: Lab) -> None:
    asked = (
        "-m",
        "hydra/launcher=tmgg_slurm",
        "hydra.launcher.detach=true",
        "hydra.sweep.dir=both",
        "x=1,2",
        f"+wait_for={lab.folder}/go",
    )
    first = lab.run(*asked)
    assert first.code == 0, first.err
    run_ids = [str(request.run_id) for request in lab.slurm.requests]
    second = lab.run(*asked)
    assert second.code != 0
    assert "has not ended, writes into" in second.err
    assert "hydra.sweep.dir='multirun/${now:%Y-%m-%d_%H-%M-%S_%f}'" in second.err
    assert lab.slurm.requests == []
    resumed = lab.run(*asked, "hydra.launcher.resume=true")
    assert resumed.code == 0, resumed.err
    lab.write("go", "")
    waiting = LocalRunner(LocalConfig(output_dir="slurm_outputs"))
    assert [waiting.get_result(run_id).metrics["x"] for run_id in run_ids] == [1, 2]
    third = lab.run(*asked)
    assert third.code == 0, third.err


def test_a_resumed_sweep_gives_no_new_job_the_folder_of_a_run_that_it_recognises(lab: Lab) -> None:
    asked = ("-m", "hydra/launcher=tmgg_slurm", "hydra.sweep.dir=exp")
    first = lab.run(*asked, "x=1,2")
    assert first.code == 0, first.err
    again = lab.run(*asked, "x=3,1,2", "hydra.launcher.resume=true")
    assert again.code != 0
    assert "which has the files of run" in again.err
    assert lab.slurm.requests == []
    longer = lab.run(*asked, "x=1,2,3", "hydra.launcher.resume=true")
    assert longer.code == 0, longer.err
    assert len(lab.slurm.requests) >= 1
