"""`pip install tmgg` in an empty environment, and a Hydra app of one's own there."""

import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from slurm_cluster import Cluster
from tests.light_core.installed import (
    build_wheel,
    install,
    installed_packages,
    new_environment,
)
from tests.slurm.login import Login

pytestmark = [pytest.mark.long, pytest.mark.timeout(900)]
HEAVY = {"torch", "pytorch-lightning", "lightning", "numpy", "ray", "modal"}
APP = """
import hydra

@hydra.main(version_base="1.3", config_path=None)
def main(config):
    return {"square": config.x ** 2}

main()
"""
PLAIN = (
    "hydra.launcher.slurm_nodes=1",
    "hydra.launcher.slurm_cpus_per_task=1",
    "hydra.launcher.slurm_gpus_per_task=0",
    "hydra.launcher.slurm_mem_per_cpu=500MB",
    "hydra.launcher.slurm_exclusive=false",
    "hydra.launcher.slurm_ray_bootstrap=none",
    "hydra.launcher.slurm_sweep_mode=array",
)


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A virtual environment with nothing but `pip install tmgg`."""
    folder = tmp_path_factory.mktemp("light")
    python = new_environment(folder / "venv")
    install(python, str(build_wheel(folder)))
    return folder / "venv"


def test_pip_list_has_no_torch_and_a_sweep_of_ones_own_runs(
    environment: Path, tmp_path: Path
) -> None:
    (tmp_path / "app.py").write_text(APP)

    done = subprocess.run(
        [environment / "bin" / "python", "app.py", "-m", "+x=2,3", "hydra/launcher=tmgg_local"],
        cwd=tmp_path,
        env={"PATH": "/usr/bin:/bin", "TMGG_HOME": str(tmp_path / ".tmgg")},
        capture_output=True,
        text=True,
        timeout=150,
    )

    assert not installed_packages(environment / "bin" / "python") & HEAVY
    assert done.returncode == 0, done.stderr
    assert "9" in done.stdout
    summary = next(tmp_path.rglob("sweep_summary.csv")).read_text()
    assert summary.count("completed") == 2


@pytest.fixture
def alice(cluster: Cluster, request: pytest.FixtureRequest) -> Iterator[Login]:
    login = Login.new(cluster, user="alice", name=request.node.name)
    yield login
    login.cancel_all()


@pytest.mark.slurm
def test_a_sweep_runs_on_real_slurm_from_the_light_environment(
    alice: Login, environment: Path
) -> None:
    shutil.copytree(environment, alice.host_folder / "venv", symlinks=True)
    alice.write("app.py", APP)
    python = f"{alice.folder}/venv/bin/python"

    done = alice.run(
        python,
        "app.py",
        "-m",
        "+x=2,3",
        "hydra/launcher=tmgg_slurm",
        *PLAIN,
        timeout_s=240,
        env={"PYTHONPATH": "", "PATH": "/usr/bin:/bin:/usr/sbin"},
        check=False,
    )

    assert done.returncode == 0, done.stderr
    summary = next(alice.host_folder.rglob("sweep_summary.csv")).read_text()
    assert summary.count("completed") == 2
    assert "9" in done.stdout
