"""Notices tasks of the job's step that ended before they could connect to the head or the hub.

A supervisor that cannot begin on its node (no Python there, an output folder that the node does not
see) cannot report this itself. Slurm's `srun` writes at once into the job's log which task has
ended, and how. The task's own last words are in this log, too.
"""

import os
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from tmgg.experiment_utils.files.plain_files import end_of, open_plain
from tmgg.experiment_utils.ray_cluster.loop import Loop

LOOK_EVERY_S = 1.0
_TAIL_BYTES = 64 * 1024
# "srun: error: node2: task 1: Exited with exit code 75", "...: node[2-3]: tasks 2,4-5: Killed"
_ENDED = re.compile(
    r"^srun: error: (?P<node>\S+): tasks? (?P<tasks>\d[\d,-]*): (?P<how>\S.*)$", re.MULTILINE
)


@dataclass(frozen=True, slots=True)
class TaskEnd:
    """The end of one task, as srun writes it."""

    rank: int
    node: str
    """Several nodes, in Slurm's notation, if their tasks ended in the same way."""
    how: str

    @property
    def words(self) -> str:
        return f"its supervisor ended before it could connect ({self.how})"

    @property
    def has_exited(self) -> bool:
        """Whether it ended by itself. False if it was killed."""
        return self.how.startswith("Exited")


@dataclass(frozen=True, slots=True)
class StepLog:
    """The job's log, in which srun and the tasks of the step write."""

    path: Path
    size_before: int
    """The log's size in bytes when the step began; what is before it counts for nothing."""

    def read(self) -> str:
        """The end of what was written since the step began; empty if it cannot be read now."""
        try:
            with open_plain(self.path) as stream:
                new = os.fstat(stream.fileno()).st_size - self.size_before
                return end_of(stream, most_bytes=max(0, min(new, _TAIL_BYTES))).decode(
                    errors="replace"
                )
        except OSError:
            return ""


def parse_step_log(text: str) -> StepLog | None:
    """The log in `SIZE:PATH`, as the job script writes it; None if its stderr is not a file."""
    size, _, path = text.partition(":")
    return StepLog(Path(path), int(size)) if size.isdecimal() and path.startswith("/") else None


def parse_task_ends(text: str) -> list[TaskEnd]:
    """The ends that srun has written into a log, in the order of the log."""
    return [
        TaskEnd(rank, found["node"], found["how"].strip())
        for found in _ENDED.finditer(text)
        for rank in _ranks(found["tasks"])
    ]


def watch(loop: Loop, log: StepLog, look: Callable[[list[TaskEnd]], bool]) -> None:
    """Call `look` with all ends so far, again and again until it returns False."""
    if look(parse_task_ends(log.read())):
        loop.after(LOOK_EVERY_S, lambda: watch(loop, log, look))


def _ranks(tasks: str) -> list[int]:
    found: list[int] = []
    for part in filter(None, tasks.split(",")):
        first, _, last = part.partition("-")
        found += range(int(first), int(last or first) + 1)
    return found
