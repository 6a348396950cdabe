"""Reads the recorded task of an earlier run, as far as it can be read. Writes nothing."""

from pathlib import Path

from tmgg.errors import TmggError
from tmgg.experiment_utils.files.looking import says_nothing
from tmgg.experiment_utils.run_folder.attempts import newest_submission, task_of_attempt
from tmgg.experiment_utils.run_folder.paths import RunPaths
from tmgg.experiment_utils.run_folder.readable import is_closed_to_us
from tmgg.experiment_utils.run_folder.task import TaskInput


def task_on_record(output_dir: Path, run_id: str) -> TaskInput | None:
    """The task of the run's newest submission; None if it cannot be read.

    Raises OSError if it may become readable later.
    """
    try:
        return task_of_attempt(newest_submission(RunPaths(output_dir, run_id)))
    except (TmggError, OSError) as error:
        if may_be_seen_later(error, RunPaths(output_dir, run_id).folder):
            raise
        return None


def may_be_seen_later(error: Exception, file: Path) -> bool:
    """Whether the file system did not answer, so that the file may be readable later."""
    if not isinstance(error, OSError):
        return False
    return says_nothing(error) and not is_closed_to_us(error, file)
