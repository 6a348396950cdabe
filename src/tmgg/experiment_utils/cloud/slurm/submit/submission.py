"""Exactly one job for each submission, even if sbatch's answer is lost.

The intent with its token is on disk before sbatch is called, and the job carries the token. If
the answer is lost, TMGG looks for the token in the queue, in the accounting database and in the
job's own files before it calls sbatch again. If Slurm has a second job all the same, that job finds
the submission claimed, and ends without running anything (see the job script).
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
from tmgg.experiment_utils.cloud.runs_on_record.recording import given_up_elsewhere
from tmgg.experiment_utils.cloud.runs_on_record.waiting import Clock
from tmgg.experiment_utils.cloud.slurm.client import SlurmClient
from tmgg.experiment_utils.cloud.slurm.commands import AccountingAbsentError
from tmgg.experiment_utils.cloud.slurm.sbatch_answer import ControllerSilentError
from tmgg.experiment_utils.run_folder.ownership import (
    NOBODY,
    give_up,
    is_forbidden,
    read_owner,
)
from tmgg.experiment_utils.run_folder.paths import JobFolder, SubmissionPaths
from tmgg.experiment_utils.run_folder.registry import (
    Intent,
    load_intent,
    note_job,
    seconds_since_given_up,
)
from tmgg.experiment_utils.run_folder.removed_runs import refuse_removed

log = logging.getLogger(__name__)

FIRST_RETRY_S = 2.0
LONGEST_RETRY_S = 30.0
LONGEST_LINE = 200
# The clocks of this machine and of the accounting database may differ by this much.
CLOCK_SKEW_S = 900.0


@dataclass(frozen=True, slots=True)
class Submitter:
    """Submits with retries, for at most `budget_s` seconds if the controller does not answer."""

    client: SlurmClient
    budget_s: float
    clock: Clock
    jitter: Callable[[], float] = random.random

    def submit(self, paths: JobFolder, *, base: Path) -> str:
        """Submit the job from the directory `base`. Writes its id into the record and returns it.

        Raises SubmissionError if Slurm refuses the job, and SubmissionUnknownError if it is not
        known after `budget_s` whether Slurm has the job. The record stays, so that a later poll can
        find out. Raises RunExistsError if Slurm has no job and another process has given the
        submission up meanwhile; this process then knows nothing about the run.
        """
        try:
            job_id = self._submit(paths, load_intent(paths), base)
        except (SubmissionUnknownError, KeyboardInterrupt):
            # A process that polls later need not wait for this process any more.
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
            if _was_given_up(paths):
                raise given_up_elsewhere(paths) from cause

    def _look_up(
        self, paths: JobFolder, intent: Intent, deadline: float, cause: SubmissionError
    ) -> str | None:
        """The job of an sbatch without an answer; None if it is certain that there is none.

        Raises SubmissionUnknownError if that is not certain before the deadline.
        """
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
        """Wait, but not beyond the deadline. Returns how long to wait the next time."""
        left_s = max(0.0, deadline - self.clock.monotonic())
        self.clock.sleep(min(retry_s * (0.5 + self.jitter()), left_s))
        return min(retry_s * 2, LONGEST_RETRY_S)

    def _give_up(self, paths: JobFolder, cause: SubmissionError) -> str:
        """Raise SubmissionError; if a job has begun in the meantime, return its id instead.

        Raises RunExistsError if another process has given the submission up.
        """
        try:
            owner = give_up(paths)
        except OSError:
            if isinstance(paths, SubmissionPaths):
                refuse_removed(paths.run_paths)
            raise
        if owner == NOBODY:
            raise given_up_elsewhere(paths) from cause
        if owner is not None:
            return owner
        raise SubmissionError(
            f"{cause}\nSlurm has no job of this run; should one arrive after all, it ends unused."
        ) from cause

    def _withdraw(self, job_id: str) -> None:
        # The run was cancelled while it was being submitted. The job would end once it begins.
        try:
            self.client.cancel([job_id])
        except BackendError as error:
            log.warning("job %s was cancelled before it was submitted: %s", job_id, error)


def find_job(client: SlurmClient, paths: JobFolder, intent: Intent) -> str | None:
    """The job that carries the token; None if it is certain that there is no such job.

    Raises QueryError if the controller does not answer: then nothing is certain.
    """
    try:
        claimed = read_owner(paths)
    except OSError as error:
        raise QueryError(f"whether a job has begun cannot be read: {error}") from error
    if claimed is not None:
        return claimed
    found = client.find_by_comment(comment_of(intent))
    if found is None:  # some sites replace the comment
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
    # A site's wrapper of sbatch may print a page.
    return textwrap.shorten(str(error), LONGEST_LINE, placeholder=" ...")


def comment_of(intent: Intent) -> str:
    """The job's comment, which carries the token."""
    return f"tmgg:{intent.token}"


def adopt(client: SlurmClient, paths: JobFolder, *, settle_s: float) -> str | None:
    """The job of a submission whose record has no job id. Writes the id into the record.

    None if the submitter may still be at work, or if Slurm does not answer. Raises AbandonedError
    if it is certain that no job was submitted and none will be.
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
        return False  # if there is a mark, the job sees it and ends at once


def _no_job(paths: JobFolder) -> AbandonedError:
    return AbandonedError(
        "the submitting process ended before Slurm took the job; no job carries this submission's "
        f"token. `tmgg-jobs retry {paths.name}` submits it.",
        is_final=is_forbidden(paths),
    )
