"""TMGG as pip installs it: a wheel of this tree in a new virtual environment."""

import json
import subprocess
import sys
import venv
from pathlib import Path

PROJECT = Path(__file__).parents[2]
CONSTRAINTS = PROJECT / "constraints.txt"
INSTALL_LIMIT_S = 240


def build_wheel(folder: Path) -> Path:
    """A wheel of this tree, in `folder`."""
    _pip(sys.executable, "wheel", "--no-deps", "--wheel-dir", str(folder), str(PROJECT))
    (wheel,) = folder.glob("tmgg-*.whl")
    return wheel


def new_environment(folder: Path) -> Path:
    """The interpreter of an empty virtual environment, which lies in `folder`.

    It is the system's own where that will do, which other users can execute.
    """
    if Path("/usr/bin/python3").exists() and sys.base_prefix == "/usr":
        argv = ["/usr/bin/python3", "-m", "venv", str(folder)]
        subprocess.run(argv, check=True, timeout=INSTALL_LIMIT_S)
    else:
        venv.create(folder, with_pip=True, symlinks=True)
    return folder / "bin" / "python"


def install(python: Path, *requirements: str) -> None:
    """With pip, from the registry, in the versions that the tests run with."""
    _pip(str(python), "install", "--quiet", "--constraint", str(CONSTRAINTS), *requirements)


def installed_packages(python: Path) -> set[str]:
    """Names in `pip list`."""
    return {item["name"].lower() for item in json.loads(_pip(str(python), "list", "--format=json"))}


def _pip(python: str, *arguments: str) -> str:
    done = subprocess.run(
        [python, "-m", "pip", *arguments], capture_output=True, text=True, timeout=INSTALL_LIMIT_S
    )
    assert done.returncode == 0, done.stderr
    return done.stdout
