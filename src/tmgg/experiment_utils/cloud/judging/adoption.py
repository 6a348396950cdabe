"""A submission without a job on record: its submitter is still at work, or it ended too soon.

Looking at a submission forbids it only if the end of the submitter is proven. Otherwise TMGG only
reports that the submission seems abandoned. A retry forbids the old submission first.
"""

from tmgg.errors import AbandonedError
from tmgg.experiment_utils.files import leases
from tmgg.experiment_utils.run_folder.ownership import forbid, is_forbidden
from tmgg.experiment_utils.run_folder.paths import JobFolder, SubmissionPaths
from tmgg.experiment_utils.run_folder.registry import Intent, launcher_is_over, load_intent

# A submitter that died may have started a job that has not claimed the submission yet.
SETTLE_S = 10.0


def adopt_or_close(submission: SubmissionPaths) -> str | None:
    """The id of the job that began the submission; None while a job may still be submitted.

    Raises AbandonedError if there is no job and the submitter seems to have ended. The error is
    final only if no job can begin the submission any more.
    """
    intent = load_intent(submission)
    if is_forbidden(submission):
        raise _ended(submission)
    if may_still_submit(submission, intent):
        return None
    begun = close_if_proven(submission, intent)
    if begun is None:
        raise _ended(submission)
    return begun


def may_still_submit(paths: JobFolder, intent: Intent, *, settle_s: float = SETTLE_S) -> bool:
    """Whether the submitter may be at work, or a job that it started may be about to begin."""
    age_s = leases.age_s(paths.intent)
    return age_s is None or age_s < settle_s or not launcher_is_over(paths, intent)


def close_if_proven(paths: JobFolder, intent: Intent) -> str | None:
    """Forbid the submission if it is proven that its submitter has ended.

    Returns the id of the job that had begun it before; None if no job had, or without proof.
    """
    return forbid(paths) if intent.submitter_has_ended else None


def _ended(submission: SubmissionPaths) -> AbandonedError:
    return AbandonedError(
        "the submitting process ended before it could start the run. `tmgg-jobs retry "
        f"{submission.run_paths.run_id}` starts it.",
        is_final=is_forbidden(submission),
    )
