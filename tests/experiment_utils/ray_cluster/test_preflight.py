"""Whether a node's environment will do, told before anything heavy starts."""

import importlib.metadata
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tmgg.experiment_utils.job.job_exit_codes import NO_RAY
from tmgg.experiment_utils.ray_cluster.preflight import ray_problem

MODULE = "tmgg.experiment_utils.ray_cluster.preflight"


@pytest.mark.parametrize("version", ["2.54.0", "2.60.0", "2.100.1", "3.0.0.dev0"])
def test_a_ray_that_starts_several_nodes_will_do(
    version: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(importlib.metadata, "version", lambda _name: version)
    assert ray_problem() is None


@pytest.mark.parametrize("version", ["2.49.0", "2.53.1", "1.13.0", "nightly"])
def test_a_ray_that_does_not_is_reported_with_its_version(
    version: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(importlib.metadata, "version", lambda _name: version)
    problem = ray_problem()
    assert problem is not None
    assert problem.startswith(f"Ray {version} is too old")
    assert "2.54 or newer: pip install -U" in problem


def test_a_missing_ray_is_told_with_the_install_command(monkeypatch: pytest.MonkeyPatch) -> None:
    def absent(name: str) -> str:
        raise importlib.metadata.PackageNotFoundError(name)

    monkeypatch.setattr(importlib.metadata, "version", absent)
    problem = ray_problem()
    assert problem is not None
    assert problem.startswith(f"Ray is not installed for {sys.executable}")
    assert "[ray]" in problem
    assert "slurm_ray_bootstrap=none" in problem


@pytest.mark.parametrize(("option", "code"), [("--ray", NO_RAY), ("--no-ray", 0)])
def test_the_program_ends_with_its_own_code_and_one_line(
    tmp_path: Path, option: str, code: int
) -> None:
    pretend_ray(tmp_path, "2.49.0")
    done = subprocess.run(
        [sys.executable, "-m", MODULE, option],
        env=os.environ | {"PYTHONPATH": os.pathsep.join([str(tmp_path), *sys.path])},
        capture_output=True,
        text=True,
        timeout=150,
        check=False,
    )
    assert done.returncode == code
    assert done.stdout == ""
    said = ["tmgg: Ray 2.49.0 is too old"] if code else []
    assert [line.partition(":")[0] for line in done.stderr.splitlines()] == ["tmgg"] * len(said)
    assert all(text in done.stderr for text in said)


def pretend_ray(folder: Path, version: str) -> None:
    """An installed Ray, as far as its version tells."""
    info = folder / f"ray-{version}.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: ray\nVersion: {version}\n")


def test_without_ray_next_to_nothing_is_imported() -> None:
    code = (
        "import sys; from tmgg.experiment_utils.ray_cluster.preflight import main; "
        "main(['--no-ray']); print('importlib.metadata' in sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60
    )
    assert done.stdout.strip() == "False"
