"""`--dry-run` shows what would happen, and nothing happens."""

import pytest

from tests.hydra import stand_in
from tests.hydra.conftest import Lab
from tmgg.cli.arguments import gather_overrides, split_dry_run
from tmgg.experiment_utils.cloud import LocalRunner, SlurmRunner, TaskRequest, factory
from tmgg.hydra_plugins.dry_run import dry_run, print_dry_run


@pytest.fixture
def real_slurm(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    """The real SlurmRunner, on a machine without Slurm's commands."""
    home = "tmgg.experiment_utils.cloud.slurm.runner:make_runner"
    monkeypatch.setitem(factory.BACKENDS, "slurm", home)
    monkeypatch.setenv("PATH", "/usr/bin:/bin")


@pytest.mark.usefixtures("real_slurm")
@pytest.mark.parametrize("asked", ["--dry-run", "hydra.launcher.dry_run=true"])
def test_the_script_and_the_command_line_are_shown_and_nothing_is_written(
    lab: Lab, asked: str
) -> None:
    before = lab.files()

    ended = lab.run("hydra/launcher=tmgg_slurm", asked, "hydra.launcher.slurm_nodes=2", "x=3")

    assert ended.code == 0, ended.err
    assert "sbatch --parsable" in ended.out
    assert "#SBATCH --nodes=2\n" in ended.out
    assert "#SBATCH --time=08:00:00\n" in ended.out
    assert "symmetric-run" in ended.out
    assert "nothing was submitted" in ended.out
    assert lab.files() == before


@pytest.mark.usefixtures("real_slurm")
@pytest.mark.parametrize("asked", ["--dry-run", "hydra.launcher.dry_run=true"])
def test_a_sweep_shows_every_script_and_writes_nothing(lab: Lab, asked: str) -> None:
    before = lab.files()

    ended = lab.run("x=1,2", "hydra/launcher=tmgg_slurm", "-m", asked)

    assert ended.code == 0, ended.err
    assert ended.out.count("#!/bin/bash") == 2
    assert "# 1 of 2: x=1\n" in ended.out
    assert "# 2 of 2: x=2\n" in ended.out
    assert lab.files() == before


@pytest.mark.usefixtures("real_slurm")
def test_what_is_shown_is_what_the_runner_would_write(lab: Lab) -> None:
    ended = lab.run("hydra/launcher=tmgg_slurm", "--dry-run", "+run_id=mine")

    runner = SlurmRunner()
    shown = runner.render_dry_run(TaskRequest(config={"run_id": "mine", "a": 1}))
    assert shown.strip() in ended.out


@pytest.mark.usefixtures("real_slurm")
def test_the_launchers_gpu_type_is_in_the_script(lab: Lab) -> None:
    ended = lab.run("hydra/launcher=tmgg_slurm", "--dry-run", "hydra.launcher.gpu_type=a100")

    assert "a100" in ended.out


@pytest.mark.parametrize("mode", [[], ["-m"]])
def test_bad_options_are_refused_all_the_same(lab: Lab, mode: list[str]) -> None:
    ended = lab.run(*mode, "hydra/launcher=tmgg_slurm", "--dry-run", "hydra.launcher.slurm_nodes=0")

    assert ended.code == 2
    assert "slurm_nodes=0" in ended.err


@pytest.mark.parametrize("mode", [[], ["-m"]])
def test_the_local_backend_says_what_would_run_where(lab: Lab, mode: list[str]) -> None:
    before = lab.files()

    ended = lab.run(*mode, "hydra/launcher=tmgg_local", "--dry-run")

    assert ended.code == 0, ended.err
    assert "in a process of its own on this machine" in ended.out
    assert lab.files() == before


@pytest.mark.parametrize("mode", [[], ["-m"]])
def test_without_a_launcher_it_says_that_it_would_run_here(lab: Lab, mode: list[str]) -> None:
    before = lab.files()

    ended = lab.run(*mode, "--dry-run", "x=raise")

    assert ended.code == 0, ended.err
    assert "tiny_experiment:run would run here, in this process" in ended.out
    assert lab.files() == before
    assert stand_in.asked == []


def test_in_another_app_it_says_what_hydra_writes(capsys: pytest.CaptureFixture[str]) -> None:
    request = TaskRequest(config={"a": 1}, run_id="r", target="os:getcwd")
    print_dry_run(LocalRunner(), [request])
    assert (
        "TMGG wrote nothing; Hydra itself may have written multirun.yaml" in capsys.readouterr().out
    )
    with dry_run():
        print_dry_run(LocalRunner(), [request])
    assert "nothing was submitted, nothing was written" in capsys.readouterr().out


def test_the_option_may_stand_anywhere() -> None:
    assert split_dry_run(["a=1", "--dry-run", "-m"]) == (["a=1", "-m"], True)
    assert split_dry_run(["++hydra.launcher.dry_run=True"])[1]
    assert split_dry_run(["a=1"]) == (["a=1"], False)
    assert split_dry_run(["hydra.launcher.dry_run=false"])[1] is False


def test_overrides_are_gathered_behind_the_options_in_their_order() -> None:
    given = ["a=1", "-m", "b=2,3", "--config-dir", "conf", "~c", "+d=-1"]

    assert gather_overrides(given) == ["-m", "--config-dir", "conf", "a=1", "b=2,3", "~c", "+d=-1"]


def test_options_that_hydra_does_not_know_are_left_for_it_to_refuse(lab: Lab) -> None:
    ended = lab.run("--no-such-option", "x=1")

    assert ended.code == 2
    assert "--no-such-option" in ended.err
