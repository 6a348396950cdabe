"""A process that runs a job's command line again, as launchers of distributed training do.

It must do that one job's work in that job's folder, and never submit anything: what it was told to
do is done already, by the job above it.
"""

import json
import os
import re
import sys
from collections.abc import Sequence
from pathlib import Path

from tmgg.experiment_utils.job.job_environment import COMMAND_VARIABLE

_RANK = re.compile(r"--local[-_]rank=\d+")
"""What `torch.distributed.launch` and DeepSpeed's launcher put before the script's own words."""
_FOLDER_OVERRIDE = "hydra.run.dir="
_NAME_OVERRIDE = "hydra.job.name=train_ddp_process_"
"""What Lightning's launcher always adds in a Hydra app, after a `hydra.run.dir` of its own."""


def announce(folder: str, script: str | None, arguments: Sequence[str]) -> None:
    """Tell the processes below this one which command line is the job's."""
    command = {"folder": folder, "script": script, "arguments": list(arguments)}
    os.environ[COMMAND_VARIABLE] = json.dumps(command)


def job_folder() -> str | None:
    """The job's folder when this process was started with the job's command line.

    Launchers of distributed training add words: Lightning's some of `hydra`, others the rank. With
    any other word more it is a command of its own. A job without words of its own is not known by
    them, so a `hydra.run.dir` that is not Lightning's makes a command of its own there, too.
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
