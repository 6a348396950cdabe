"""The script that this process runs: what `__main__` is called in an identity, and its file."""

import site
import sys
import sysconfig
from importlib.machinery import ModuleSpec
from pathlib import Path

from tmgg.experiment_utils.identity.code_files import holder_of
from tmgg.experiment_utils.program.captured import capture_program

MAIN = "__main__"


def file_of(module: str) -> Path | None:
    """The file that an imported module is in; None where it has none."""
    file = getattr(sys.modules.get(module), "__file__", None)
    return None if file is None else holder_of(Path(file).absolute())


def name_of_main() -> str:
    """The module that `python -m` ran; for a script, its path; `__main__` where there is none."""
    spec: ModuleSpec | None = getattr(sys.modules.get(MAIN), "__spec__", None)
    if spec is not None and spec.name:
        return spec.name
    file = file_of(MAIN)
    return MAIN if file is None else str(file)


def is_command(file: Path) -> bool:
    """Whether it is in the environment's folder of commands, as the installed ones are."""
    folders = [Path(sysconfig.get_path("scripts")), Path(site.getuserbase()) / "bin"]
    return file.parent in [folder.resolve() for folder in folders]


def is_loaded_by_jobs() -> bool:
    """Whether a job that is submitted now loads the script before it runs its function."""
    return capture_program().is_loadable
