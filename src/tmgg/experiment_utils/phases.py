"""How a job got on, from the marks it left: `name seconds host`, one line each."""

import math
import re
from dataclasses import dataclass

_LINE = re.compile(r"(?P<name>[a-z][a-z0-9_]*) (?P<at>\d+(?:\.\d*)?) (?P<host>\S+)")

PHASE_WORDS = {
    "batch_start": "the job began on its first node",
    "environment_ready": "the setup commands are done",
    "ray_start": "Ray is being started",
    "entrypoint_start": "the experiment's process began",
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
