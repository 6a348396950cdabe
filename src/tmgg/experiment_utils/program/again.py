"""A process that runs a job's command line again, as launchers of distributed training do.

It must do that one job's work in that job's folder, and never submit anything: what it was told to
do is done already, by the job above it.
"""

import json
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from tmgg.experiment_utils.job.job_environment import COMMAND_VARIABLE


def announce(folder: str, script: str | None, arguments: Sequence[str]) -> None:
    """Tell the processes below this one which command line is the job's."""
    command = {"folder": folder, "script": script, "arguments": list(arguments)}
    os.environ[COMMAND_VARIABLE] = json.dumps(command)


def job_folder() -> str | None:
    """The job's folder when this process was started with its command line, or a longer one."""
    try:
        command = json.loads(os.environ.get(COMMAND_VARIABLE, "null"))
    except ValueError:
        return None
    if not isinstance(command, dict) or not command.get("script"):
        return None
    arguments = command["arguments"]
    is_same_script = Path(sys.argv[0]).resolve() == Path(command["script"]).resolve()
    if is_same_script and sys.argv[1 : 1 + len(arguments)] == arguments:
        return str(command["folder"])
    return None
