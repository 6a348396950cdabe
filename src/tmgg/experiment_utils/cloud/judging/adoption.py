"""A submission whose job is not on record: is its submitter on the way, or did it end too soon?

Reading ends nothing: that a submission is abandoned is only said, unless the submitter's end is
proven. Whoever submits it again sees to it first that the old submission never begins.
"""

from tmgg.errors import AbandonedError
from tmgg.experiment_utils.files import leases
from tmgg.experiment_utils.run_folder.ownership import forbid, is_forbidden
from tmgg.experiment_utils.run_folder.paths import JobFolder, SubmissionPaths
from tmgg.experiment_utils.run_folder.registry import Intent, launcher_is_over, load_intent

# The job of a submitter that died is on its way until it has claimed the submission.
SETTLE_S = 10.0


def adopt_or_close(submission: SubmissionPaths) -> str | None:
    """The job that began the submission; None while one still may, else none ever will.

    Raises AbandonedError once it is certain that there is no job and that nobody submits one.
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
    """Whether its submitter may be at work, or what it started last be under way."""
    age_s = leases.age_s(paths.intent)
    return age_s is None or age_s < settle_s or not launcher_is_over(paths, intent)


def close_if_proven(paths: JobFolder, intent: Intent) -> str | None:
    """Let nothing begin a submission whose submitter has ended, where that is more than likely.

    The job that had begun it before, if one had.
    """
    return forbid(paths) if intent.submitter_has_ended else None


def _ended(submission: SubmissionPaths) -> AbandonedError:
    return AbandonedError(
        "the submitting process ended before it could start the run. `tmgg-jobs retry "
        f"{submission.run_paths.run_id}` starts it.",
        is_final=is_forbidden(submission),
    )
