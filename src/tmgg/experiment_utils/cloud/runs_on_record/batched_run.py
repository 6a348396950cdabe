"""A run that a batch has on record, and that has no folder yet. Its id is taken all the same."""

import contextlib

from tmgg.errors import RunExistsError
from tmgg.experiment_utils.files.looking import is_there
from tmgg.experiment_utils.run_folder.batch_index import find_member
from tmgg.experiment_utils.run_folder.batches import Member
from tmgg.experiment_utils.run_folder.lost_folders import has_lost_folder
from tmgg.experiment_utils.run_folder.paths import RunPaths, SubmissionPaths
from tmgg.experiment_utils.run_folder.readable import reading
from tmgg.experiment_utils.run_folder.registry import taken_error, withdraw_submission


def place_in_batch(paths: RunPaths) -> Member | None:
    """The place of a run in its batch, with or without a folder; None if it is in no batch.

    Raises UnreadableError if the batches cannot be read now.
    """
    with reading(paths.output_dir):
        return find_member(paths.submission(1))


def is_waiting(paths: RunPaths, place: Member | None) -> bool:
    """Whether the run at this place of a batch is still to be submitted.

    Raises UnreadableError if the run's folder cannot be read now.
    """
    return place is not None and place.batch.is_waiting and _has_no_folder(paths)


def refuse_taken(paths: RunPaths, place: Member | None, *, may_begin: bool) -> None:
    """Raise RunExistsError if a batch has the run, and the caller must not make its folder.

    `may_begin` says that the caller may submit the run if it waits. Raises UnreadableError if the
    run's folder cannot be read now.
    """
    if place is None or (may_begin and place.batch.is_waiting):
        return
    if _has_no_folder(paths):
        raise _taken_error(paths, place)


def _has_no_folder(paths: RunPaths) -> bool:
    """False also if a user removed the folder: then the run is made anew."""
    with reading(paths.output_dir):
        return not is_there(paths.folder) and not has_lost_folder(paths)


def _taken_error(paths: RunPaths, place: Member) -> RunExistsError:
    return taken_error(f"run {paths.run_id!r} of sweep {place.batch.name}", paths.output_dir)


def yield_to_batch(submission: SubmissionPaths) -> None:
    """Withdraw the first submission of a new run if a sweep has recorded the same id meanwhile.

    The sweep looks for folders after it has recorded its runs, and this process looks for batches
    after it has made the folder. So at least one of the two sees the other. Raises RunExistsError,
    or OSError if the batches cannot be read now; the submission is withdrawn then, too.
    """
    paths = submission.run_paths
    try:
        member = find_member(submission)
        if member is not None:
            raise _taken_error(paths, member)
    except BaseException:
        with contextlib.suppress(OSError):
            withdraw_submission(submission)
        raise
