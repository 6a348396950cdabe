"""Exactly one job per submission, whatever happens to sbatch's answer.

The intent with its token is on disk before sbatch is called, and the job carries the token. When
the answer is lost, the token is looked up in the queue, in the accounts and in the job's own files
before anything is tried again; a duplicate that slips through all the same finds the submission
claimed and ends unused (see the job script).
"""

import logging
import random
import textwrap
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from tmgg.errors import (
    AbandonedError,
    BackendError,
    QueryError,
    SubmissionError,
    SubmissionUnknownError,
)
from tmgg.experiment_utils.cloud.judging.adoption import close_if_proven, may_still_submit
from tmgg.experiment_utils.cloud.runs_on_record.waiting import Clock
from tmgg.experiment_utils.cloud.slurm.client import SlurmClient
from tmgg.experiment_utils.cloud.slurm.commands import AccountingAbsentError
from tmgg.experiment_utils.cloud.slurm.sbatch_answer import ControllerSilentError
from tmgg.experiment_utils.run_folder.ownership import forbid, is_forbidden, read_owner
from tmgg.experiment_utils.run_folder.paths import JobFolder
from tmgg.experiment_utils.run_folder.registry import (
    Intent,
    load_intent,
    note_job,
    seconds_since_given_up,
)

log = logging.getLogger(__name__)

FIRST_RETRY_S = 2.0
LONGEST_RETRY_S = 30.0
LONGEST_LINE = 200
# The database may show a job some seconds after the controller took it, on a clock of its own.
CLOCK_SKEW_S = 900.0


@dataclass(frozen=True, slots=True)
class Submitter:
    """Submits with retries; `budget_s` bounds the time given to a controller that is down."""

    client: SlurmClient
    budget_s: float
    clock: Clock
    jitter: Callable[[], float] = random.random

    def submit(self, paths: JobFolder, *, base: Path) -> str:
        """The id of the one job of this submission, noted in its record; `base` is its directory.

        Raises SubmissionError when Slurm refuses, SubmissionUnknownError when it cannot be told
        within the budget whether a job is in; the record stays, and whoever asks later finds out.
        """
        try:
            job_id = self._submit(paths, load_intent(paths), base)
        except (SubmissionUnknownError, KeyboardInterrupt):
            # Whoever asks later need not wait for this process any more.
            note_job(paths, None)
            raise
        note_job(paths, job_id, cluster=self.client.submitted_to.get(job_id))
        if _was_given_up(paths):
            self._withdraw(job_id)
        return job_id

    def _submit(self, paths: JobFolder, intent: Intent, base: Path) -> str:
        deadline = self.clock.monotonic() + self.budget_s
        retry_s = FIRST_RETRY_S
        while True:
            try:
                return self.client.submit(paths.script, comment=comment_of(intent), cwd=base)
            except SubmissionUnknownError as error:
                log.warning("%s; the job is looked up", _in_one_line(error))
                cause = error
            found = self._look_up(paths, intent, deadline, cause)
            if found is not None:
                return found
            may_help = isinstance(cause, ControllerSilentError)
            if not may_help or self.clock.monotonic() >= deadline:
                return self._give_up(paths, cause)
            retry_s = self._back_off(retry_s, deadline)

    def _look_up(
        self, paths: JobFolder, intent: Intent, deadline: float, cause: SubmissionError
    ) -> str | None:
        """The job of an unanswered sbatch; None once it is certain that there is none."""
        retry_s = FIRST_RETRY_S
        while True:
            try:
                return find_job(self.client, paths, intent)
            except QueryError as error:
                if self.clock.monotonic() >= deadline:
                    raise SubmissionUnknownError(
                        f"{cause}. Whether the job was accepted cannot be told: {error}. Its "
                        f"record is in {paths.folder}; `{paths.shown_by}` finds "
                        "out once the controller answers. Do not submit it again before."
                    ) from cause
            retry_s = self._back_off(retry_s, deadline)

    def _back_off(self, retry_s: float, deadline: float) -> float:
        """Wait, but not beyond the deadline; how long to wait the next time."""
        left_s = max(0.0, deadline - self.clock.monotonic())
        self.clock.sleep(min(retry_s * (0.5 + self.jitter()), left_s))
        return min(retry_s * 2, LONGEST_RETRY_S)

    def _give_up(self, paths: JobFolder, cause: SubmissionError) -> str:
        """Raise SubmissionError, unless a job begins in this very moment: then its id."""
        begun = forbid(paths)
        if begun is not None:
            return begun
        raise SubmissionError(
            f"{cause}\nSlurm has no job of this run; should one arrive after all, it ends unused."
        ) from cause

    def _withdraw(self, job_id: str) -> None:
        # Cancelled while it was being submitted: the job would only wait to end unused.
        try:
            self.client.cancel([job_id])
        except BackendError as error:
            log.warning("job %s was cancelled before it was submitted: %s", job_id, error)


def find_job(client: SlurmClient, paths: JobFolder, intent: Intent) -> str | None:
    """The job that carries the token, wherever it can be seen; None when it certainly is nowhere.

    Raises QueryError when the controller does not answer: then nothing is certain.
    """
    try:
        claimed = read_owner(paths)
    except OSError as error:
        raise QueryError(f"whether a job has begun cannot be read: {error}") from error
    if claimed is not None:
        return claimed
    found = client.find_by_comment(comment_of(intent))
    if found is None:  # some sites write comments of their own
        found = client.find_by_script(paths.script.absolute())
    if found is not None:
        return found
    try:
        return client.find_by_submit_line(intent.token, since=intent.created_at - CLOCK_SKEW_S)
    except AccountingAbsentError:
        return None
    except QueryError as error:
        # The controller answered; a finished job would have claimed the submission.
        log.info("accounting does not answer: %s", error)
        return None


def _in_one_line(error: Exception) -> str:
    # A wrapper of sbatch may print a page.
    return textwrap.shorten(str(error), LONGEST_LINE, placeholder=" ...")


def comment_of(intent: Intent) -> str:
    """The token as the job carries it."""
    return f"tmgg:{intent.token}"


def adopt(client: SlurmClient, paths: JobFolder, *, settle_s: float) -> str | None:
    """The job of a submission whose submitter ended before it could note the id.

    None while the submitter may still be at work, or while nobody can tell. Raises AbandonedError
    once it is certain that no job was submitted and none will be.
    """
    if is_forbidden(paths):
        raise _no_job(paths)
    intent = load_intent(paths)
    try:
        job_id = find_job(client, paths, intent)
    except QueryError:
        return None
    if job_id is None:
        if _may_still_submit(paths, intent, settle_s=settle_s):
            return None
        job_id = close_if_proven(paths, intent)
    if job_id is None:
        raise _no_job(paths)
    note_job(paths, job_id)
    return job_id


def _may_still_submit(paths: JobFolder, intent: Intent, *, settle_s: float) -> bool:
    ended_ago_s = seconds_since_given_up(paths)
    if ended_ago_s is not None:
        return ended_ago_s < settle_s
    return may_still_submit(paths, intent, settle_s=settle_s)


def _was_given_up(paths: JobFolder) -> bool:
    try:
        return is_forbidden(paths)
    except OSError:
        return False  # the job, which sees the mark, ends unused


def _no_job(paths: JobFolder) -> AbandonedError:
    return AbandonedError(
        "the submitting process ended before Slurm took the job; no job carries this submission's "
        f"token. `tmgg-jobs retry {paths.name}` submits it.",
        is_final=is_forbidden(paths),
    )
