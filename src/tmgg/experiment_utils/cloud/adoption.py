"""A submission whose job is not on record: is its submitter on the way, or did it end too soon?"""

import time

from tmgg.errors import SubmissionError
from tmgg.experiment_utils.ownership import forbid, is_forbidden
from tmgg.experiment_utils.paths import SubmissionPaths
from tmgg.experiment_utils.registry import Intent, load_intent

# Handing a job over takes far less; a submitter that lives on after that has failed to.
START_WITHIN_S = 60.0
# The job of a submitter that died is on its way until it has claimed the submission.
SETTLE_S = 10.0


def adopt_or_close(submission: SubmissionPaths) -> str | None:
    """The job that began the submission; None while one still may, else none ever will.

    Raises SubmissionError once it is certain that there is no job.
    """
    if not is_forbidden(submission) and _may_still_start(load_intent(submission)):
        return None
    begun = forbid(submission)
    if begun is None:
        raise SubmissionError(
            "the submitting process ended before it could start the run. `tmgg-jobs retry "
            f"{submission.run_paths.run_id}` starts it."
        )
    return begun


def _may_still_start(intent: Intent) -> bool:
    age_s = time.time() - intent.created_at
    return age_s < START_WITHIN_S and (intent.submitter_alive() or age_s < SETTLE_S)
