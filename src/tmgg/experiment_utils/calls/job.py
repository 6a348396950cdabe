"""The job side of a call: opens it, runs it, writes its outcome."""

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
from tmgg.experiment_utils.program.opening import open_part
from tmgg.experiment_utils.run_folder.task import IGNORES_CONFIG

TARGET = "tmgg.experiment_utils.calls.job:run"


def run(_config: object) -> dict[str, Any]:
    """The target of the task: run the call in the payload file, and write its outcome.

    Returns the numbers in the value that the call returned.
    """
    context = current_run()
    if context is None or context.payload_path is None:
        raise TaskError(f"{TARGET} runs only in a job that has a payload file")
    call, program = open_call(context.payload_path, context.output_dir)
    try:
        returned = ending_well(call)()
    except StoppedEarlyError:
        raise  # no outcome yet: the run goes on later
    except Exception as error:
        leave_raised(context.returns_dir, error, attempt=context.attempt, program=program)
        raise
    if not context.is_first:
        return {}  # rank 0 returns the run's value
    leave_returned(context.returns_dir, returned, attempt=context.attempt, program=program)
    found = sort_returned(returned)
    name_lost(found.lost)
    checkpoint = {} if found.checkpoint_path is None else {CHECKPOINT: found.checkpoint_path}
    return {**found.metrics, **checkpoint}


setattr(run, IGNORES_CONFIG, True)


def open_call(payload: Path, folder: Path) -> tuple[Callable[[], object], Program | None]:
    """Make this process like the submitting one; return the call and the submitter's program.

    `folder` is the job's own folder.
    """
    envelope = pickle.loads(read_trusted(payload, own=True))
    program = enter(envelope, folder)
    function = open_part(envelope["function"], what="the function")
    args, kwargs = open_part(envelope["arguments"], what="an argument of the function")
    return lambda: function(*args, **kwargs), program
