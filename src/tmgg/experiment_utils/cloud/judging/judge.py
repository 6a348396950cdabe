"""Finds a submission's state from its files and the backend's answer, and saves a final verdict.

`verdict.py` makes the decision itself. This module collects what the decision needs: whether the
job is the submission's own, what the logs say, since when something is missing.
"""

import contextlib
import logging
from collections.abc import Mapping
from dataclasses import replace
from functools import cached_property
from pathlib import Path

from tmgg.errors import RecordError, RunError
from tmgg.experiment_utils.cloud.backend import Backend
from tmgg.experiment_utils.cloud.judging.claimed_otherwise import (
    id_if_claimed_otherwise,
    is_no_help,
    view_by_id,
)
from tmgg.experiment_utils.cloud.judging.diagnosis import LogTails
from tmgg.experiment_utils.cloud.judging.job_lookup import (
    Abandoned,
    JobLookup,
    JobOrRefusal,
    why_not_started,
)
from tmgg.experiment_utils.cloud.judging.memory import Memory, Remembered
from tmgg.experiment_utils.cloud.judging.missing_since import (
    forget_missing,
    missing_since_s,
    note_missing,
)
from tmgg.experiment_utils.cloud.judging.polling import Begun, Found, Question, as_run_error
from tmgg.experiment_utils.cloud.judging.results import load_verdict, save_verdict
from tmgg.experiment_utils.cloud.judging.submission_claim import read_claim
from tmgg.experiment_utils.cloud.judging.verdict import (
    JobView,
    has_trusted_end,
    is_missing,
    own_view,
    reach_verdict,
)
from tmgg.experiment_utils.cloud.runs import NOT_SUBMITTED, RunState
from tmgg.experiment_utils.files.hiccups import Hiccups, may_pass
from tmgg.experiment_utils.files.looking import expect_folder, is_there, look_anew
from tmgg.experiment_utils.files.write_cures import cure_for
from tmgg.experiment_utils.run_folder.attempt_log import read_attempt_log, read_job_log
from tmgg.experiment_utils.run_folder.batch_index import (
    find_member,
    make_run_folder,
)
from tmgg.experiment_utils.run_folder.copies import original_of
from tmgg.experiment_utils.run_folder.evidence import (
    Evidence,
    read_evidence,
    read_result,
)
from tmgg.experiment_utils.run_folder.exit_record import read_exit_record
from tmgg.experiment_utils.run_folder.failures import Failure, failure, in_words_of
from tmgg.experiment_utils.run_folder.owners import other_owner
from tmgg.experiment_utils.run_folder.paths import BatchPaths, SubmissionPaths
from tmgg.experiment_utils.run_folder.removed_runs import is_removed, refuse_removed, removed_error
from tmgg.experiment_utils.run_folder.submission_files import SubmissionFiles
from tmgg.experiment_utils.run_folder.task import TaskOutput

log = logging.getLogger(__name__)

REPLACED = "its number is another job's"


class Judge:
    """Judges one runner's runs. Remembers final states, and since when something is missing."""

    def __init__(self, backend: Backend) -> None:
        self._backend = backend
        self._memory = Memory()

    @cached_property
    def _hiccups(self) -> Hiccups:
        return Hiccups()

    @cached_property
    def _jobs(self) -> JobLookup:
        return JobLookup(self._backend)

    def begin(self, submission: SubmissionPaths, adopted: dict[BatchPaths, JobOrRefusal]) -> Begun:
        """What the files alone tell: the run's state, an error, or the job to ask about.

        `adopted` holds the answers for batches, so TMGG looks for the job of each batch once.
        """
        try:
            files = SubmissionFiles(submission)
            if (end := self._known_end(files)) is not None:
                return end
            if files.exit_record is not None:
                look_anew(*_folders_of(submission))
                evidence = read_evidence(files, ended=False)
                if has_trusted_end(evidence):
                    return self._judge(files, evidence, None)
            if not files.has_folder:
                refuse_removed(submission.run_paths)
            if copied := _why_copied(files):
                return _open_elsewhere(files, copied)
            job_id = self._jobs.find(files, adopted)
            if isinstance(job_id, Failure):
                return self._save_refusal(files, job_id)
            self._memory.at(submission).is_abandoned = isinstance(job_id, Abandoned)
            if isinstance(job_id, Abandoned):
                return self._with_hint(_refused(files, job_id.why))
            if job_id is None and files.member is not None and files.member.batch.is_waiting:
                return RunState(
                    run_id=submission.run_paths.run_id,
                    status="pending",
                    final=False,
                    reason=NOT_SUBMITTED,
                    attempt=files.first_attempt,
                )
        except (RunError, OSError) as error:
            return self.unread(submission, error)
        return Question(submission, job_id)

    def is_abandoned(self, submission: SubmissionPaths) -> bool:
        """Whether the submission seemed abandoned, without proof, at the last look."""
        return self._memory.at(submission).is_abandoned

    def end(self, question: Question, views: Mapping[str, JobView | None]) -> Found:
        """The state of a submission, with the backend's answers about jobs."""
        try:
            told = _view(question, views)
            if _is_over(told):
                look_anew(*_folders_of(question.submission))
            files = SubmissionFiles(question.submission)
            view = self.own_view(files, told)
            remembered = self._memory.of(files)
            # This cluster's answers, and missing answers, concern only its own jobs.
            if not _has_token(view) and (where := self._elsewhere(question.submission)):
                remembered.unproven = where
                return _open_elsewhere(files, where)
            remembered.unproven = _why_unproven(view)
            remembered.backend_id, view = self._by_backend_id(files, view)
            evidence = read_evidence(files, ended=_is_over(view))
            job_id = remembered.backend_id or evidence.job_id or question.job_id
            return self._judge(files, replace(evidence, job_id=job_id), view)
        except (RunError, OSError) as error:
            return self.unread(question.submission, error)

    def _by_backend_id(
        self, files: SubmissionFiles, view: JobView | None
    ) -> tuple[str | None, JobView | None]:
        """The backend's id and its answer about it (see `claimed_otherwise`); else None, `view`."""
        job_id = id_if_claimed_otherwise(files, view)
        if job_id is None:
            return None, view
        other = self.own_view(files, view_by_id(self._backend, files, job_id))
        return (None, view) if is_no_help(other) else (job_id, other)

    def _elsewhere(self, submission: SubmissionPaths) -> str:
        return self._backend.whereabouts(submission).elsewhere

    def elsewhere(self, submission: SubmissionPaths) -> str:
        """Why nothing can be done here about a run that goes on; empty if something can be done."""
        return self.copied(submission) or self._elsewhere(submission)

    def copied(self, submission: SubmissionPaths) -> str:
        """A sentence about the folder of which its folder is a copy; empty if it is no copy."""
        return _why_copied(SubmissionFiles(submission))

    def unread(self, submission: SubmissionPaths, error: RunError | OSError) -> Found:
        """The state of a run that could not be read, or the error if it does not pass.

        While the error may pass, this is the last known state, with a note.
        """
        if is_removed(submission.run_paths):
            return removed_error(submission.run_paths)
        cause = _hiccup(submission, error)
        if cause is None or not self._hiccups.bearable(submission.run_paths, cause):
            return as_run_error(submission.run_paths.run_id, error)
        last = self._memory.at(submission).last_known
        known = last or RunState(run_id=submission.run_paths.run_id, status="pending", final=False)
        note = f"its files cannot be read now ({cause}); this is the last that is known"
        return replace(known, answered=False, note=note)

    def forget(self, submission: SubmissionPaths) -> None:
        """Forget what is remembered about the submission at this place."""
        self._memory.forget(submission)

    def end_of(self, submission: SubmissionPaths) -> RunState | None:
        """The final state that this judge reached; None if there is none.

        Also None if another submission is in its place now.
        """
        return self._memory.of(SubmissionFiles(submission)).end

    def take_result(self, submission: SubmissionPaths) -> TaskOutput | None:
        """The result of a submission whose end is known, from the files that showed the end."""
        remembered = self._memory.at(submission)
        read, remembered.read_result = remembered.read_result, None
        return read_result(SubmissionFiles(submission))[0] if read is None else read()

    def why_unproven(self, submission: SubmissionPaths) -> str:
        """Why the last answer may be about another submission's job; empty if it is not."""
        return self._memory.at(submission).unproven

    def own_view(self, files: SubmissionFiles, view: JobView | None) -> JobView | None:
        """The backend's answer, as far as it is about this submission's own job."""
        if view is None or (view.identity is None and view.phase != "unknown"):
            return view
        found = own_view(view, read_claim(files))
        is_gone = found is not None and found.phase == "unknown"
        # "No such job" from another cluster proves nothing.
        return (
            None if is_gone and not self._backend.whereabouts(files.paths).is_surely_here else found
        )

    def job_id(self, submission: SubmissionPaths) -> JobOrRefusal:
        """The job that runs the submission or will run it."""
        known = self._memory.at(submission).backend_id
        return known or self._jobs.find(SubmissionFiles(submission), {})

    def save_refusal(self, submission: SubmissionPaths, why: Failure) -> RunState:
        """Note that the backend did not take a submission; returns the submission's state."""
        return self._save_refusal(SubmissionFiles(submission), why)

    def _save_refusal(self, files: SubmissionFiles, why: Failure) -> RunState:
        refuse_removed(files.paths.run_paths)
        return self._keep(files, self._memory.of(files), _refused(files, why))

    def _judge(self, files: SubmissionFiles, evidence: Evidence, view: JobView | None) -> RunState:
        submission, packed, remembered = files.paths, files.packed_in, self._memory.of(files)
        if packed is not None and _is_over(view):
            look_anew(packed.folder)
        if view is not None:
            remembered.restarts = max(remembered.restarts, view.restarts or 0)
        evidence = replace(
            evidence,
            backend_restarts=remembered.restarts,
            shares_job=packed is not None,
            job_record=read_exit_record(packed) if packed and _is_over(view) else None,
        )
        missing = is_missing(evidence, view)
        since_s = missing_since_s(remembered, files, evidence, missing=missing)
        evidence = replace(evidence, missing_since_s=since_s)
        state = reach_verdict(evidence, view, LogTails(), grace_s=self._backend.traits.grace_s)
        refuse_removed(submission.run_paths)  # missing files of a removed run prove nothing
        self._hiccups.over(submission.run_paths)
        if state.final:
            remembered.read_result = lambda: evidence.result
            return self._keep(files, remembered, self._with_logs(files, evidence, view, state))
        if view is not None:  # without an answer it is not known whether anything is missing
            note_missing(remembered, files, missing=missing)
        remembered.last_known = state
        return state

    def _with_logs(
        self, files: SubmissionFiles, evidence: Evidence, view: JobView | None, state: RunState
    ) -> RunState:
        if state.status == "completed":
            return state
        packed, restart = files.packed_in, state.attempt - evidence.first_attempt
        if packed is not None and not evidence.claimed:
            # The run has no logs. The logs of its job say why its turn did not come.
            logs = LogTails(*read_job_log(packed, restart=restart))
        else:
            logs = LogTails(*read_attempt_log(files.paths, restart=restart))
        return reach_verdict(evidence, view, logs, grace_s=self._backend.traits.grace_s)

    def _keep(self, files: SubmissionFiles, remembered: Remembered, state: RunState) -> RunState:
        submission = files.paths
        state = remembered.end = self._with_hint(state)
        try:
            make_run_folder(submission)
            save_verdict(submission, state, files.token)
            forget_missing(files)
        except (OSError, RecordError) as error:
            # Any other process reaches the same verdict from the same evidence.
            _warn_of_unnoted(submission, error)
        return state

    def _known_end(self, files: SubmissionFiles) -> RunState | None:
        """The final state, if it is known: remembered, or from `verdict.json`."""
        remembered = self._memory.of(files)
        if remembered.end is None and (kept := _kept_verdict(files)) is not None:
            remembered.end = kept
            remembered.read_result = lambda: read_result(files)[0]
        return remembered.end

    def _with_hint(self, state: RunState) -> RunState:
        """The state, with the hint that names this backend's own options."""
        if state.failure is None:
            return state
        return replace(state, failure=in_words_of(state.failure, self._backend.traits.hints))


def _warn_of_unnoted(submission: SubmissionPaths, error: OSError | RecordError) -> None:
    with contextlib.suppress(OSError):
        if isinstance(error, PermissionError) and other_owner(submission) is not None:
            return  # a run of another member of the team, whose processes note its end
    cure = cure_for(error, submission.folder) if isinstance(error, OSError) else ""
    log.warning(
        "could not note the end of run %s, which is looked up again each time: %s%s",
        *(submission.name, error, f". {cure}." if cure else ""),
    )


def _refused(files: SubmissionFiles, why: Failure) -> RunState:
    return RunState(
        run_id=files.paths.run_paths.run_id,
        status="failed",
        final=True,
        attempt=files.first_attempt,
        failure=_refusal(files, why),
    )


def _has_token(view: JobView | None) -> bool:
    return view is not None and view.identity is not None and view.identity.token is not None


def _why_unproven(view: JobView | None) -> str:
    if view is None:
        return "the backend does not say whose job it is"
    return REPLACED if view.phase == "replaced" else ""


def _open_elsewhere(files: SubmissionFiles, note: str) -> RunState:
    return RunState(
        run_id=files.paths.run_paths.run_id,
        status="pending" if files.owner is None else "running",
        final=False,
        job_id=files.job_id,
        attempt=files.first_attempt,
        answered=False,
        note=note,
        is_elsewhere=True,
    )


def _why_copied(files: SubmissionFiles) -> str:
    original = original_of(files)
    if original is None:
        return ""
    return f"{files.intent_folder} is a copy of {original}, where its job writes. Use the original"


def cancelled_while_waiting(submission: SubmissionPaths) -> bool:
    """Whether a run of a sweep was cancelled before its turn came."""
    return is_there(submission.cancel) and not is_there(submission.intent)


def _folders_of(submission: SubmissionPaths) -> tuple[Path, ...]:
    """The folders in which a job makes its files, from the top."""
    run = submission.run_paths
    return run.output_dir, run.folder, submission.folder, submission.ended.parent


def _is_over(view: JobView | None) -> bool:
    """Whether the backend reports that the job has ended, or does not know it."""
    return view is not None and view.phase in ("ended", "unknown")


def _hiccup(submission: SubmissionPaths, error: RunError | OSError) -> BaseException | None:
    """The error that kept a run's files from being read; None if it will not pass."""
    if may_pass(error):
        return error
    try:
        # A missing file proves something only if its folder is there.
        folder = submission.run_paths.folder
        expect_folder(submission.run_paths.output_dir)
        if isinstance(error, RecordError) and find_member(submission) is None:
            expect_folder(folder)
    except OSError as cause:
        return cause
    return None


def _view(question: Question, views: Mapping[str, JobView | None]) -> JobView | None:
    if question.job_id is None:
        return JobView(phase="pending", reason="being submitted")
    return views[question.job_id]


def _refusal(files: SubmissionFiles, why: Failure) -> Failure:
    if not files.is_cancelled:
        return why
    return why_not_started(files) or failure(
        "cancelled", "It was cancelled before the backend took it."
    )


def _kept_verdict(files: SubmissionFiles) -> RunState | None:
    try:
        return load_verdict(files)
    except RecordError as error:
        # The evidence for the verdict is still there.
        log.warning("%s; judging run %s again", error, files.paths.run_paths.run_id)
        return None
