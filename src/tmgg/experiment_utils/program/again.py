"""Recognises a process that runs a job's command line again, as launchers of distributed training
start it.

Such a process must do the work of this one job, in the job's folder, and never submit anything: the
job above it was submitted by the same command line.
"""

import json
import os
import re
import sys
from collections.abc import Sequence
from pathlib import Path

from tmgg.experiment_utils.job.job_environment import COMMAND_VARIABLE

_RANK = re.compile(r"--local[-_]rank=\d+")
"""The argument that `torch.distributed.launch` and DeepSpeed's launcher put before the others."""
_FOLDER_OVERRIDE = "hydra.run.dir="
_NAME_OVERRIDE = "hydra.job.name=train_ddp_process_"
"""The argument that Lightning's launcher adds in a Hydra app, after its own `hydra.run.dir`."""


def announce(folder: str, script: str | None, arguments: Sequence[str]) -> None:
    """Put the job's command line into the environment, for the processes below this one."""
    command = {"folder": folder, "script": script, "arguments": list(arguments)}
    os.environ[COMMAND_VARIABLE] = json.dumps(command)


def job_folder() -> str | None:
    """The job's folder, if this process was started with the job's command line; else None.

    Launchers of distributed training add arguments: Lightning's adds some for `hydra`, others add
    the rank. With any further argument it is another command. A job without arguments cannot be
    recognised by them; so there a `hydra.run.dir` that is not Lightning's means another command,
    too.
    """
    try:
        command = json.loads(os.environ.get(COMMAND_VARIABLE, "null"))
    except ValueError:
        return None
    if not isinstance(command, dict) or not command.get("script"):
        return None
    is_same_script = Path(sys.argv[0]).resolve() == Path(command["script"]).resolve()
    if is_same_script and _is_again(sys.argv[1:], command["arguments"]):
        return str(command["folder"])
    return None


def _is_again(given: Sequence[str], arguments: Sequence[str]) -> bool:
    given, own = _without_rank(given), _without_rank(arguments)
    more = [word.lstrip("+") for word in given[len(own) :]]
    if given[: len(own)] != own or not all(word.startswith("hydra.") for word in more):
        return False
    if own or not any(word.startswith(_FOLDER_OVERRIDE) for word in more):
        return True
    return any(word.startswith(_NAME_OVERRIDE) for word in more)


def _without_rank(words: Sequence[str]) -> list[str]:
    return [word for word in words if not _RANK.fullmatch(word)]
