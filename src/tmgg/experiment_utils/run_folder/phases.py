"""The progress of a job: it writes a mark for each step, a line `name seconds host`."""

import logging
import math
import os
import re
import socket
import stat
from collections.abc import Sequence
from dataclasses import dataclass

from tmgg.experiment_utils.job.clock import unix_time_s
from tmgg.experiment_utils.run_folder.paths import JobFiles
from tmgg.experiment_utils.run_folder.starts import is_superseded, own_restart

log = logging.getLogger(__name__)

_LINE = re.compile(r"(?P<name>[a-z][a-z0-9_]*) (?P<at>\d+(?:\.\d*)?) (?P<host>\S+)")

PHASE_WORDS = {
    "batch_start": "the job began on its first node",
    "environment_ready": "the setup commands are done",
    "ray_start": "Ray is being started",
    "ray_head_up": "Ray runs on the first node",
    "ray_nodes_up": "Ray runs on every node",
    "entrypoint_start": "the experiment's process began",
    "ray_node_lost": "Ray on another node is gone",
    "ray_head_lost": "Ray on the first node is gone",
    "entrypoint_end": "the experiment's process is done",
    "ray_end": "Ray is down",
    "batch_end": "the job ended",
}
"""The marks in the order in which a job leaves them."""


@dataclass(frozen=True, slots=True)
class Phase:
    name: str
    at: float
    """Unix time by the clock of `host`."""
    host: str


def parse_phases(text: str) -> list[Phase]:
    """The marks in a `phases` file, in order; a torn line (disk full, node lost) is left out."""
    found = (_LINE.fullmatch(line) for line in text.splitlines())
    phases = (Phase(mark["name"], float(mark["at"]), mark["host"]) for mark in found if mark)
    return [phase for phase in phases if math.isfinite(phase.at)]


def seconds_of_experiment(marks: Sequence[Phase], *, ended_at: float | None) -> float | None:
    """How long the experiment's process ran, in seconds; None if it is not known. Pure.

    `ended_at` is when its supervisor noted the end; it is used if there is no mark of the end.
    """
    at = {mark.name: mark.at for mark in marks}
    begin = at.get("entrypoint_start")
    end = at.get("entrypoint_end", at.get("batch_end", ended_at))
    return None if begin is None or end is None or end <= begin else end - begin


def write_phase(paths: JobFiles, name: str, *, restart: int | None = None) -> None:
    """Append one mark. If this fails (full disk), only a warning is logged.

    `restart` is the number of the start that the mark is of, by default this process's own. A
    superseded start writes no mark.
    """
    if is_superseded(paths, own_restart() if restart is None else restart):
        return
    line = f"{name} {unix_time_s():.6f} {socket.gethostname()}\n"
    try:
        with open(paths.phases, "a", opener=_opened) as stream:
            stream.write(line)
    except OSError as error:
        log.warning("could not record phase %s: %s", name, error)


def _opened(path: str, flags: int) -> int:
    """Open the file so that its owner can read and write it under any umask that a task has set."""
    descriptor = os.open(path, flags, 0o666)
    mode = stat.S_IMODE(os.fstat(descriptor).st_mode)
    if mode & 0o600 != 0o600:
        os.fchmod(descriptor, mode | 0o600)
    return descriptor
