"""The beginning of a packed run: claim it, and set aside what an earlier start left.

The job script does the same in bash for a run that has a job of its own.
"""

from dataclasses import dataclass

from tmgg.experiment_utils.files.looking import is_there
from tmgg.experiment_utils.run_folder.batch_index import fill_run_folder
from tmgg.experiment_utils.run_folder.exit_record import read_exit_record
from tmgg.experiment_utils.run_folder.ownership import claim
from tmgg.experiment_utils.run_folder.paths import SubmissionPaths
from tmgg.experiment_utils.supervisor.job_start import set_aside_earlier


@dataclass(frozen=True, slots=True)
class Begun:
    """A start of a run that is this job's to make."""

    restart: int
    """Grows with every start: with those of the allocation, and with those inside it."""
    is_cancelled: bool


def begin(paths: SubmissionPaths, *, job_id: str, restart: int) -> Begun | str:
    """Claim the run for this job; why it is not to be run otherwise.

    `restart` says how often the allocation was restarted. Raises OSError when the folder cannot be
    written.
    """
    fill_run_folder(paths)
    owner = claim(paths, job_id)
    if owner != job_id:
        # "nobody" owns what was cancelled before its turn.
        return f"this submission belongs to {owner}"
    if is_there(paths.verdict):
        return "the end of this run was told"
    record = read_exit_record(paths)
    if record is not None and not record.signal:
        return "this run has ended"
    earlier = last_start(paths)
    begun = Begun(
        restart=restart if earlier is None else max(earlier + 1, restart),
        is_cancelled=is_there(paths.cancel),
    )
    set_aside_earlier(paths, restart=begun.restart)
    return begun


def last_start(paths: SubmissionPaths) -> int | None:
    """The number of the last start; None when there was none. Raises OSError."""
    try:
        return int(paths.restart.read_text())
    except (FileNotFoundError, NotADirectoryError, ValueError):
        return None
