"""Hydra's own launcher suites with the releases that the package allows, each in a venv."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.light_core.installed import build_wheel

PROJECT = Path(__file__).parents[2]
SUITES = PROJECT / "tests" / "hydra" / "test_launcher_suites.py"
NEEDED = ("cloudpickle", "rich", "typer", "pytest", "pytest-timeout", "hypothesis")
LIMIT_S = 600

pytestmark = [pytest.mark.long, pytest.mark.timeout(1500)]


# See docs/hydra.md, "Releases of Hydra".
NOT_YET = "--deselect=tests/hydra/test_launcher_suites.py::TestLauncher::"
NOT_YET += "test_failure_preserves_task_traceback"


@pytest.mark.parametrize(
    ("version", "options"),
    [("==1.3.2", ()), ("==1.3.8", ()), (">=1.4.0.dev1", (NOT_YET,))],
    ids=["1.3.2", "1.3.8", "newest 1.4"],
)
def test_the_launcher_suites_pass_with_hydra(
    version: str, options: tuple[str, ...], tmp_path: Path
) -> None:
    python = str(tmp_path / "venv" / "bin" / "python")
    subprocess.run(
        [sys.executable, "-m", "venv", str(tmp_path / "venv")], check=True, timeout=LIMIT_S
    )
    argv = [python, "-m", "pip", "install", "--quiet", f"hydra-core{version}", *NEEDED]
    subprocess.run(argv, check=True, timeout=LIMIT_S)
    # As a package: 1.4 starts its scripts without PYTHONPATH.
    wheel = [python, "-m", "pip", "install", "--quiet", "--no-deps", str(build_wheel(tmp_path))]
    subprocess.run(wheel, check=True, timeout=LIMIT_S)

    done = subprocess.run(
        [python, "-m", "pytest", "-q", "-p", "no:cacheprovider", *options, str(SUITES)],
        cwd=PROJECT,
        env={name: value for name, value in os.environ.items() if name != "PYTHONPATH"},
        capture_output=True,
        text=True,
        timeout=LIMIT_S,
    )

    assert done.returncode == 0, done.stdout[-4000:]
