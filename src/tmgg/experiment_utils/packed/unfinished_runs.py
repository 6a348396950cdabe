"""Writes exit records of runs that could not write one: they never began, or were lost."""

import logging

from tmgg.experiment_utils.packed.allocation import Allocation
from tmgg.experiment_utils.run_folder.exit_record import End, leave_exit_record, read_exit_record
from tmgg.experiment_utils.run_folder.failures import Failure, failure
from tmgg.experiment_utils.run_folder.paths import SubmissionPaths
from tmgg.experiment_utils.run_folder.starts import last_start

log = logging.getLogger(__name__)


def not_begun(allocation: Allocation, why: str) -> Failure:
    """The failure of a run that was not started before the job ended."""
    return failure("not_started", f"Job {allocation.job_id} ended before its turn came: {why}.")


def lost(node: str, why: str, *, starts: int) -> Failure:
    """The failure of a run that was lost at each of its `starts` starts."""
    return failure("node_fail", f"It was lost {starts} times, last on {node}: {why}.")


def unwritable(node: str) -> Failure:
    """The failure of a run whose folder cannot be written."""
    return failure("environment", f"Its files cannot be written on {node}.", hint="disk")


def leave_last_words(
    paths: SubmissionPaths, allocation: Allocation, why: Failure, *, host: str = ""
) -> None:
    """Write the run's exit record, unless the run wrote one: its node may be lost just after that.

    Errors (a full disk) are only logged, so that the other runs go on.
    """
    try:
        own = read_exit_record(paths)
    except OSError as error:
        log.error("cannot tell how run %s ended: %s", paths.run_paths.run_id, error)
        return
    if own is not None and not own.signal:
        return
    end = End(
        job_id=allocation.job_id,
        restart=max(allocation.restart, last_start(paths) or 0),
        stage=why.kind,
        scope="run",
        host=host,
        failure=why,
    )
    try:
        leave_exit_record(paths, end)
    except OSError as error:
        log.error("cannot record the end of run %s: %s", paths.run_paths.run_id, error)
