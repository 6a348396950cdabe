"""Slurm where `pip install tmgg` was all: no Ray, and no packages of the built-in experiments."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from tests.fakes.slurm.fake import FakeSlurm
from tests.light_core.bare import run_bare
from tmgg.experiment_utils.extras import install_command

APP = """
import hydra

@hydra.main(version_base="1.3", config_path=None)
def main(config):
    return {"square": config.x ** 2}

main()
"""
SWEEP = ("app.py", "-m", "+x=2,3")
JOBS = ("-m", "tmgg.cli.jobs")
SMALL = (
    "hydra.launcher.slurm_nodes=1",
    "hydra.launcher.slurm_gpus_per_task=0",
    "hydra.launcher.slurm_cpus_per_task=1",
    "hydra.launcher.slurm_exclusive=false",
)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Where the app is."""
    (tmp_path / "app.py").write_text(APP)
    return tmp_path


@pytest.fixture
def slurm(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeSlurm]:
    """Slurm's commands on PATH; jobs run at once."""
    fake = FakeSlurm(tmp_path / "fake-slurm")
    fake.install()
    fake.configure(run_jobs=True)
    monkeypatch.setenv("PATH", f"{fake.bin_folder}:{os.environ['PATH']}")
    yield fake
    fake.end_all()


def test_setup_writes_a_launcher_without_ray_with_which_an_app_runs(
    folder: Path, slurm: FakeSlurm
) -> None:
    done = run_bare(folder, *JOBS, "setup")

    file = folder / ".tmgg/profiles/hydra/launcher/my_site.yaml"
    text = file.read_text()
    assert yaml.safe_load(text)["slurm_ray_bootstrap"] == "none"
    assert "# Ray is not installed in this environment" in text
    assert "tmgg-experiment" not in done.stdout
    assert "python your_app.py -m hydra/launcher=my_site" in done.stdout

    ended = run_bare(folder, *SWEEP, "hydra/launcher=my_site")
    assert ended.stdout.count("completed") >= 2, ended.stdout + ended.stderr


def test_setup_leaves_ray_to_what_the_user_says_of_the_environment(
    folder: Path, slurm: FakeSlurm
) -> None:
    run_bare(folder, *JOBS, "setup", "slurm_setup_commands=[module load ray]")

    text = (folder / ".tmgg/profiles/hydra/launcher/my_site.yaml").read_text()
    assert "slurm_ray_bootstrap" not in yaml.safe_load(text)


def test_a_sweep_that_would_start_ray_is_refused_once_before_anything_is_submitted(
    folder: Path, slurm: FakeSlurm
) -> None:
    for options in (SMALL, ("hydra.launcher.dry_run=true",)):
        ended = run_bare(folder, *SWEEP, "hydra/launcher=tmgg_slurm", *options, check=False)

        assert ended.returncode != 0
        assert ended.stderr.count("Ray is not installed for ") == 1, ended.stderr
        assert "set slurm_ray_bootstrap=none" in ended.stderr
        assert install_command("ray") in ended.stderr
        assert "Traceback" not in ended.stderr
    assert "and slurm_nodes=1 (or slurm_tasks_per_node=1" in ended.stderr
    assert not slurm.jobs
    assert not (folder / "slurm_outputs").exists()


def test_a_job_that_finds_no_ray_says_so_in_its_sweeps_explanation(
    folder: Path, slurm: FakeSlurm
) -> None:
    options = (
        "hydra.launcher.slurm_setup_commands=['export A=1']",
        "hydra.launcher.slurm_lost_grace_s=1",
    )
    own = "hydra.launcher.slurm_exclusive=true"
    ended = run_bare(
        folder, *SWEEP, "hydra/launcher=tmgg_slurm", *SMALL, *options, own, check=False
    )
    assert "2 of 2 runs failed" in ended.stderr, ended.stderr

    explained = run_bare(folder, *JOBS, "explain", "last", check=False)
    words = " ".join(explained.stdout.split())
    assert "2 failed (environment: Ray is not installed for " in words, explained.stdout
    assert "HINT: The job's environment has no Ray" in words
    assert "Ray's ports" not in words
