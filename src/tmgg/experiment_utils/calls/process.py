"""Makes a job's process like the one that submitted the call.

If a script submits a call of one of its functions, the script is loaded as the job's `__main__`, as
Python's own `spawn` does. Objects that loading the script makes are sent by name, others by value.
"""

import pickle
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from tmgg.errors import TaskError
from tmgg.experiment_utils.job.context import current_run
from tmgg.experiment_utils.program import again
from tmgg.experiment_utils.program.captured import Program, capture_program
from tmgg.experiment_utils.program.entering import enter as become_submitter
from tmgg.experiment_utils.program.entering import place_of


class Submitter:
    """This process, which submits calls."""

    def __init__(self) -> None:
        if again.job_folder() is not None and current_run() is None:
            raise TaskError(
                "this process runs the command line of a job again, as launchers of distributed "
                "training do, and so it submits nothing. Ask for the processes of the training "
                "with tasks_per_node, or start them from a script of their own."
            )
        self._program = capture_program()
        self._place = {
            **place_of(str(Path.cwd())),
            "program": self._program.to_json(),
            "argv": sys.argv[1:],
        }

    def envelope(self, **parts: Any) -> bytes:
        """A payload: a pickle of plain data, which can be opened before the script is loaded."""
        return pickle.dumps({**self._place, **parts})

    def dumps(self, value: object) -> bytes:
        """Pickle for the job; raises any error that the value's classes raise."""
        from tmgg.experiment_utils.program.pickling import dumps  # cloudpickle, for submitters only

        return dumps(value, self._program)

    def globals_for(self, users: Iterable[object]) -> dict[str, Any]:
        """The script's values that functions in `users` use, and that a job may not get by loading
        the script.
        """
        if not self._program.is_loadable:
            return {}  # they are pickled with the functions that use them
        from tmgg.experiment_utils.program.pickling import globals_for

        return globals_for(users, self._program)

    def dump_globals(self, values: Mapping[str, Any], *, user: str) -> bytes:
        """Pickle the values from `globals_for`; raises TaskError if a needed one cannot be sent."""
        from tmgg.experiment_utils.program.sent_globals import dump_globals

        return dump_globals(values, self._program, user=user)


def enter(envelope: dict[str, Any], folder: Path) -> Program | None:
    """Job side: make this process like the submitting one, and return that one's program."""
    program = become_submitter(envelope, envelope.get("argv", ()), what="a function")
    if program is not None:
        again.announce(str(folder), program.script, envelope["argv"])
    return program
