"""What a check found: all is well, a warning, or a problem."""

from dataclasses import asdict, dataclass
from typing import Any, Literal

Level = Literal["ok", "warning", "problem"]

CHECKS: dict[str, str] = {
    "commands": "Slurm's commands are on PATH here.",
    "controller": "Slurm's controller answers.",
    "partition": "The partition exists, is up, admits you, and gives the nodes for the time.",
    "nodes of": "Enough of the partition's nodes have what the job asks for.",
    "preemption in": "You know whether other jobs may take the nodes, and what follows.",
    "account": "The account is yours, and its limits leave room for the job.",
    "qos": "The quality of service is yours, and its limits leave room for the job.",
    "limits": "Slurm refuses a request that it can never meet at submission.",
    "accounting": "Slurm remembers how jobs ended.",
    "process tracking": "Slurm ends the processes that a job leaves behind.",
    "requeue": "Slurm starts jobs again after a node failure.",
    "output folder": "The output folder can be written to, has room, and is fast enough.",
    "trial submission": "Slurm would accept the job script.",
    "job": "A short job starts, runs, and leaves its result.",
    "nodes": "The program starts on every node.",
    "shared folder": "Every node reads a file that was written here.",
    "interpreter": "Every node has the same Python with the same packages.",
    "Ray": "Every node has the same Ray, and it is new enough.",
    "GPUs": "Every node has the GPUs that were asked for.",
    "head address": "The other nodes can reach the first one by its address.",
    "name server": "Names are looked up quickly.",
    "ports": "Ray's ports are free.",
    "connections": "The nodes reach each other on these ports.",
    "clocks": "The nodes' clocks agree.",
    "/tmp": "There is room for Ray's logs and spilled objects.",
    "start": "A run with these options starts: Ray with its nodes and GPUs, or the ranks.",
}
"""What the doctor checks, in this order. A finding may add to the name, as in `partition gpu`."""


@dataclass(frozen=True, slots=True)
class Finding:
    """The result of one check."""

    check: str
    """The name of the check, in a word or two."""
    level: Level
    text: str
    """What the check found."""
    advice: str = ""
    """What to do about it; empty when all is well."""

    def __post_init__(self) -> None:
        assert self.check.startswith(tuple(CHECKS)), self.check

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


def ok(check: str, text: str) -> Finding:
    return Finding(check, "ok", text)


def warning(check: str, text: str, advice: str) -> Finding:
    return Finding(check, "warning", text, advice)


def problem(check: str, text: str, advice: str) -> Finding:
    return Finding(check, "problem", text, advice)
