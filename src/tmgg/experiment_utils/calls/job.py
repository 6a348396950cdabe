"""The job side of a call: open it, run it, leave what came of it."""

import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tmgg.errors import StoppedEarlyError, TaskError
from tmgg.experiment_utils.calls.outcome import leave_raised, leave_returned
from tmgg.experiment_utils.calls.process import enter
from tmgg.experiment_utils.files.trust import read_trusted
from tmgg.experiment_utils.job.context import current_run
from tmgg.experiment_utils.job.ends import ending_well
from tmgg.experiment_utils.job.metrics import CHECKPOINT, name_lost, sort_returned
from tmgg.experiment_utils.program.captured import Program
from tmgg.experiment_utils.run_folder.task import IGNORES_CONFIG

TARGET = "tmgg.experiment_utils.calls.job:run"


def run(_config: object) -> dict[str, Any]:
    """Job-side entry, named by the task: run the call of the payload, leave its outcome behind.

    Returns the numbers in what it returned.
    """
    context = current_run()
    if context is None or context.payload_path is None:
        raise TaskError(f"{TARGET} runs only in a job that has a payload file")
    call, program = open_call(context.payload_path, context.output_dir)
    try:
        returned = ending_well(call)()
    except StoppedEarlyError:
        raise  # no end: it goes on later
    except Exception as error:
        leave_raised(context.returns_dir, error, attempt=context.attempt, program=program)
        raise
    if not context.is_first:
        return {}  # rank 0 speaks for all
    leave_returned(context.returns_dir, returned, attempt=context.attempt, program=program)
    found = sort_returned(returned)
    name_lost(found.lost)
    checkpoint = {} if found.checkpoint_path is None else {CHECKPOINT: found.checkpoint_path}
    return {**found.metrics, **checkpoint}


setattr(run, IGNORES_CONFIG, True)


def open_call(payload: Path, folder: Path) -> tuple[Callable[[], object], Program | None]:
    """The call, in a process made to be the submitting one, and that one's program.

    `folder` is the job's own.
    """
    envelope = pickle.loads(read_trusted(payload, own=True))
    program = enter(envelope, folder)
    function = pickle.loads(envelope["function"])
    args, kwargs = pickle.loads(envelope["arguments"])
    return lambda: function(*args, **kwargs), program
