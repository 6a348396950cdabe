"""The script that this process runs: the name of `__main__` in an identity, and its file."""

import site
import sys
import sysconfig
from importlib.machinery import ModuleSpec
from pathlib import Path

from tmgg.experiment_utils.identity.code_files import holder_of
from tmgg.experiment_utils.program.captured import capture_program

MAIN = "__main__"


def file_of(module: str) -> Path | None:
    """The file with the code of an imported module; None if it has none."""
    file = getattr(sys.modules.get(module), "__file__", None)
    return None if file is None else holder_of(Path(file).absolute())


def name_of_main() -> str:
    """The module that `python -m` ran, or the script's path; `__main__` if there is neither."""
    spec: ModuleSpec | None = getattr(sys.modules.get(MAIN), "__spec__", None)
    if spec is not None and spec.name:
        return spec.name
    file = file_of(MAIN)
    return MAIN if file is None else str(file)


def is_command(file: Path) -> bool:
    """Whether the file is an installed command: it is in the environment's folder of commands."""
    folders = [Path(sysconfig.get_path("scripts")), Path(site.getuserbase()) / "bin"]
    return file.parent in [folder.resolve() for folder in folders]


def is_loaded_by_jobs() -> bool:
    """Whether a job that is submitted now loads the script before it runs its function."""
    return capture_program().is_loadable
