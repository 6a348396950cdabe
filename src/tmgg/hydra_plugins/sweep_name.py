"""The name of a sweep for users: that of the folder that they chose for it, or of the program."""

import re
from pathlib import Path

# Hydra's own folders: multirun/2026-11-23/14-15-03.
_DATE_OR_TIME = re.compile(r"[\d_:.T-]+")


def sweep_name(sweep_dir: Path, job_name: str) -> str:
    """The last part of `hydra.sweep.dir`, unless it is a date or a time."""
    name = sweep_dir.absolute().name
    return job_name if _DATE_OR_TIME.fullmatch(name) or name in ("", "multirun") else name
