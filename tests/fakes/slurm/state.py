"""The fake cluster's memory: one JSON file under a lock, and a log of all calls."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os

TYPE_CHECKING = False  # importing typing would take a third of a command's time
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

    State = dict[str, Any]


EMPTY: State = {
    "next_id": 1001,
    "jobs": {},
    "faults": [],
    "partitions": ["gpu", "batch"],
    "partition_settings": {},
    "nodes": ["node1|4|64000|gpu:2|idle|(null)", "node2|4|64000|gpu:2|idle|(null)"],
    "starts": {},
    "rules": [],
    "closed_partitions": [],
    "settings": {},
    "accounts": ["research"],
    "qualities": {"normal": ""},
    "other_clusters": [],
    "controller": "up",
    "accounting": "on",
    "accounting_lacks": [],
    "cluster": "fake",
    "run_jobs": False,
    "max_array_size": 1001,
    "max_submit": None,
}


@contextlib.contextmanager
def locked(folder: str) -> Iterator[State]:
    """The state, for reading and changing; written back at the end."""
    with open(f"{folder}/lock", "w") as lock:  # noqa: PTH123 - pathlib would double the start-up
        fcntl.flock(lock, fcntl.LOCK_EX)
        state = read(folder)
        before = json.dumps(state)
        yield state
        after = json.dumps(state)
        if after != before:
            write(folder, after)


def read(folder: str) -> State:
    """The state as it is now."""
    try:
        with open(f"{folder}/state.json") as stream:  # noqa: PTH123 - see above
            return json.load(stream)  # type: ignore[no-any-return]
    except FileNotFoundError:
        return json.loads(json.dumps(EMPTY))  # type: ignore[no-any-return]


def write(folder: str, text: str) -> None:
    """Replace the state."""
    with open(f"{folder}/state.json.tmp", "w") as stream:  # noqa: PTH123 - see above
        stream.write(text)
    os.replace(f"{folder}/state.json.tmp", f"{folder}/state.json")  # noqa: PTH105 - see above


def log_call(folder: str, command: str, arguments: list[str]) -> None:
    """Append one call; a single write, so calls at the same time do not mix."""
    variables = {name: value for name, value in os.environ.items() if name.startswith(_LOGGED)}
    call = {"argv": [command, *arguments], "cwd": os.getcwd(), "env": variables}  # noqa: PTH109
    with open(f"{folder}/calls.jsonl", "a") as stream:  # noqa: PTH123 - see above
        stream.write(json.dumps(call) + "\n")


_LOGGED = ("SLURM_", "SBATCH_", "SRUN_", "SQUEUE_", "SACCT_")
