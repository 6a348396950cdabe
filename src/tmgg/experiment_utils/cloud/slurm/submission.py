"""Exactly one job per submission, whatever happens to sbatch's answer.

The intent with its token is on disk before sbatch is called, and the job carries the token. When
the answer is lost, the token is looked up in the queue, in the accounts and in the job's own files
before anything is tried again; a duplicate that slips through all the same finds the submission
claimed and ends unused (see the job script).
"""

import logging
import random
import socket
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from tmgg.errors import BackendError, QueryError, SubmissionError, SubmissionUnknownError
from tmgg.experiment_utils.atomic_file import write_json
from tmgg.experiment_utils.cloud.slurm.client import AccountingAbsentError, SlurmClient
from tmgg.experiment_utils.cloud.waiting import Clock
from tmgg.experiment_utils.paths import LAYOUT_VERSION, SubmissionPaths
from tmgg.experiment_utils.registry import Intent, load_intent, load_run, save_job

log = logging.getLogger(__name__)

FIRST_RETRY_S = 2.0
LONGEST_RETRY_S = 30.0
# The database may show a job some seconds after the controller took it, on a clock of its own.
CLOCK_SKEW_S = 900.0


@dataclass(frozen=True, slots=True)
class Submitter:
    """Submits with retries; `budget_s` bounds the time given to a controller that is down."""

    client: SlurmClient
    budget_s: float
    clock: Clock
    jitter: Callable[[], float] = random.random

    def submit(self, paths: SubmissionPaths) -> str:
        """The id of the one job of this submission, noted in its record.

        Raises SubmissionError when Slurm refuses, SubmissionUnknownError when it cannot be told
        within the budget whether a job is in; the record stays, and whoever asks later finds out.
        """
        intent = load_intent(paths)
        base = load_run(paths.run_paths).base_dir
        deadline = self.clock.monotonic() + self.budget_s
        retry_s = FIRST_RETRY_S
        while True:
            try:
                job_id = self.client.submit(
                    paths.script, comment=comment_of(intent), cwd=Path(base)
                )
                break
            except SubmissionUnknownError as error:
                log.warning("%s; looking the job up before trying again", error)
                found = self._look_up(paths, intent, deadline, error)
            if found is not None:
                job_id = found
                break
            if self.clock.monotonic() >= deadline:
                forbid(paths, why="gave up submitting")
                raise SubmissionError(
                    f"Slurm took no job within {self.budget_s:g} s; the last try is known to have "
                    "left none. Try again when the controller answers (scontrol ping)."
                )
            self.clock.sleep(retry_s * (0.5 + self.jitter()))
            retry_s = min(retry_s * 2, LONGEST_RETRY_S)
        save_job(paths, job_id)
        return job_id

    def _look_up(
        self, paths: SubmissionPaths, intent: Intent, deadline: float, cause: SubmissionError
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
                        f"record is in {paths.folder}; `tmgg-jobs show {paths.run_paths.run_id}` "
                        "finds out once the controller answers. Do not submit it again before."
                    ) from cause
            self.clock.sleep(retry_s * (0.5 + self.jitter()))
            retry_s = min(retry_s * 2, LONGEST_RETRY_S)


def find_job(client: SlurmClient, paths: SubmissionPaths, intent: Intent) -> str | None:
    """The job that carries the token, wherever it can be seen; None when it certainly is nowhere.

    Raises QueryError when the controller does not answer: then nothing is certain.
    """
    claimed = paths.owner.read_text().strip() if paths.owner.exists() else ""
    if claimed:
        return claimed
    found = client.find_by_comment(comment_of(intent))
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


def forbid(paths: SubmissionPaths, *, why: str) -> None:
    """Let no job run this submission any more: one that Slurm takes after all ends unused."""
    write_json(paths.cancel, {"version": LAYOUT_VERSION, "at": time.time(), "why": why})


def comment_of(intent: Intent) -> str:
    """The token as the job carries it."""
    return f"tmgg:{intent.token}"


def adopt(
    client: SlurmClient, paths: SubmissionPaths, *, budget_s: float, settle_s: float
) -> str | None:
    """The job of a submission whose submitter died before it could note the id.

    None while the submitter may still be at work, or while nobody can tell. Raises SubmissionError
    once it is certain that no job was submitted and none will be.
    """
    intent = load_intent(paths)
    try:
        job_id = find_job(client, paths, intent)
    except QueryError:
        return None
    if job_id is not None:
        save_job(paths, job_id)
        return job_id
    age_s = time.time() - intent.created_at
    if intent.submitter_alive() or age_s < settle_s:
        return None
    if intent.host != socket.gethostname() and age_s < budget_s + settle_s:
        return None  # only the submitter's own machine can tell that it is dead
    forbid(paths, why="found no job")
    raise SubmissionError(
        "the submitting process ended before Slurm took the job; no job carries this submission's "
        f"token. `tmgg-jobs retry {paths.run_paths.run_id}` submits it."
    )


def explain_refusal(client: SlurmClient, error: SubmissionError) -> SubmissionError:
    """Slurm's words, with the names that exist where a name was wrong."""
    text = str(error)
    try:
        if "Invalid partition" in text:
            return SubmissionError(f"{text}\nPartitions here: {', '.join(client.partitions())}.")
        if "Invalid account" in text:
            return SubmissionError(f"{text}\nYour accounts: {', '.join(client.accounts())}.")
    except BackendError as unanswered:
        log.info("no list of names: %s", unanswered)
    return error
