"""Runs as calls of a function that is deployed on Modal.

The records are on this machine, as for other backends. The files of a run come back in the result
of its call. The first process that polls the run after its end writes them to the records.
"""

import contextlib
import logging
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from tmgg.errors import (
    AbandonedError,
    BackendUnavailableError,
    ConfigError,
    MissingExtraError,
    QueryError,
    RecordError,
    SubmissionError,
    SubmissionUnknownError,
)
from tmgg.experiment_utils.cloud.backend import Backend, BackendTraits, Whereabouts
from tmgg.experiment_utils.cloud.judging.verdict import JobView
from tmgg.experiment_utils.cloud.modal.calls import CallView, ModalCalls
from tmgg.experiment_utils.cloud.modal.config import ModalConfig
from tmgg.experiment_utils.cloud.modal.delivery import deliver
from tmgg.experiment_utils.cloud.modal.hints import MODAL_HINTS
from tmgg.experiment_utils.cloud.modal.parcel import Envelope, Parcel, pack_folder
from tmgg.experiment_utils.cloud.runner import CloudRunner
from tmgg.experiment_utils.cloud.runs import TaskRequest
from tmgg.experiment_utils.cloud.runs_on_record.recorded import RecordedRuns
from tmgg.experiment_utils.cloud.runs_on_record.requests import as_request
from tmgg.experiment_utils.cloud.sweep.policy import RetryChanges
from tmgg.experiment_utils.files.atomic_file import write_json
from tmgg.experiment_utils.files.looking import is_there
from tmgg.experiment_utils.run_folder import ownership
from tmgg.experiment_utils.run_folder.attempts import read_payload, record_of, task_of_attempt
from tmgg.experiment_utils.run_folder.paths import JobFolder, SubmissionPaths, resolve_output_dir
from tmgg.experiment_utils.run_folder.registry import (
    Intent,
    RunRecord,
    launcher_is_over,
    load_intent,
    new_intent,
    note_job,
    seconds_since_given_up,
)
from tmgg.experiment_utils.run_folder.task import target_of

log = logging.getLogger(__name__)

# If Modal did not answer a spawn, the call may still wait for a GPU before it claims anything.
SHOWS_ITSELF_WITHIN_S = 900.0
_ELSEWHERE = (
    "it was submitted to another workspace or environment of Modal than the one that is in use "
    "here. Use that one's profile (`modal profile activate NAME`, or MODAL_TOKEN_ID and "
    "MODAL_TOKEN_SECRET)"
)


class ModalBackend(Backend):
    """Each run is a call of a function that is deployed for its options."""

    def __init__(self, config: ModalConfig) -> None:
        base_dir = Path.cwd()
        self.config = config
        self.calls = ModalCalls(config.environment)
        self.traits = BackendTraits(
            name="modal",
            output_dir=resolve_output_dir(config.output_dir, base_dir),
            base_dir=base_dir,
            settings=config.to_json(),
            hints=MODAL_HINTS,
            poll_interval_s=config.poll_interval_s,
            grace_s=config.lost_grace_s,
            default_timeout_s=config.timeout_seconds,
            # Modal's SDK drops a cancellation that comes while it unpacks the call's input.
            begins_cancelled_jobs=True,
        )

    def check(self, submission: SubmissionPaths, *, gpu_type: str | None) -> None:
        # Fails before anything is recorded, for example without an account or without an image.
        asked = self.config if gpu_type is None else replace(self.config, gpu_type=gpu_type)
        self.calls.deploy(asked)

    def write(
        self,
        draft: SubmissionPaths,
        final: SubmissionPaths,
        *,
        gpu_type: str | None,
        changes: RetryChanges | None,
    ) -> None:
        if changes is not None:  # a retry: the options on record must be valid for Modal
            ModalConfig.from_mapping(record_of(draft).settings)
        intent = replace(new_intent(final), cluster=self.calls.place())
        write_json(draft.intent, intent.to_json())

    def start(self, submission: SubmissionPaths, record: RunRecord) -> str:
        config = ModalConfig.from_mapping(record.settings)
        parcel = make_parcel(submission, config, base_dir=record.base_dir)
        timeout_s = task_of_attempt(submission).timeout_seconds
        try:
            call_id = self.calls.spawn(config, parcel, timeout_s=timeout_s)
        except (SubmissionUnknownError, KeyboardInterrupt):
            # The note shows other processes that they need not wait for this process any more.
            note_job(submission, None)
            raise
        except (MissingExtraError, ConfigError, QueryError, BackendUnavailableError) as error:
            raise SubmissionError(str(error)) from error
        note_job(submission, call_id)
        with contextlib.suppress(OSError):  # a call that was given up ends unused
            if ownership.is_forbidden(submission):  # it was cancelled during the spawn
                self.cancel_jobs([call_id])
        return call_id

    def adopt(self, folder: JobFolder) -> str | None:
        assert isinstance(folder, SubmissionPaths)  # it submits no batches
        submission = folder
        intent = load_intent(submission)
        may_come = not ownership.is_forbidden(submission) and _may_still_show(submission, intent)
        # A look forbids the submission only if the end of the submitter is proven.
        closes = not may_come and (ownership.is_forbidden(submission) or intent.submitter_has_ended)
        ask = self.calls.forbid if closes else self.calls.owner
        try:
            self._refuse_elsewhere(submission)
            call_id = ask(intent.token)
        except (QueryError, BackendUnavailableError, MissingExtraError) as error:
            log.warning("%s", error)
            return None
        if call_id is not None:
            note_job(submission, call_id)
        elif not may_come:
            if closes:
                ownership.forbid(submission)
            raise AbandonedError(
                "no call on Modal has begun this submission, and no process submits it any more. "
                f"`tmgg-jobs retry {submission.run_paths.run_id}` submits it.",
                is_final=closes,
            )
        return call_id

    def view_jobs(self, job_ids: Sequence[str]) -> Mapping[str, JobView | None]:
        try:
            return self.calls.view(job_ids)
        except MissingExtraError as error:
            raise BackendUnavailableError(str(error)) from error

    def refine(self, submission: SubmissionPaths, job_id: str, view: JobView) -> JobView | None:
        try:
            return self._settle(submission, job_id, view)
        except OSError as error:
            log.warning("the results of a run on Modal cannot be written here: %s", error)
            return None

    def _settle(self, submission: SubmissionPaths, call_id: str, view: JobView) -> JobView | None:
        """Write the files that came with an answer; returns the view for the verdict."""
        if view.phase == "running" and ownership.read_owner(submission) is None:
            ownership.claim(submission, call_id)
        if view.kind == "node_fail" and is_there(submission.cancel):
            return replace(view, kind="cancelled")
        if not isinstance(view, CallView):
            return view
        try:
            envelope = Envelope.from_plain(view.returned)
            if envelope.owner == call_id:
                deliver(submission, call_id, envelope)
                return _view_of_delivered(envelope)
        except RecordError as error:
            return JobView(phase="ended", state=view.state, kind="bad_result", reason=str(error))
        return self._unused(submission, envelope.owner)

    def _unused(self, submission: SubmissionPaths, owner: str) -> JobView:
        """The view if the call found its submission forbidden, or begun by another call."""
        if owner == ownership.NOBODY:
            return JobView(phase="ended", state="UNUSED", reason="the submission was given up")
        note_job(submission, owner)
        return JobView(phase="pending", state="UNUSED", reason=f"{owner} runs it")

    def cancel_jobs(self, job_ids: Sequence[str]) -> None:
        self.calls.cancel(job_ids)

    def forbid(self, submission: SubmissionPaths) -> str | None:
        self._refuse_elsewhere(submission)
        # This machine looks at the file; a container asks Modal. So both are marked.
        return self.calls.forbid(load_intent(submission).token) or ownership.forbid(submission)

    def whereabouts(self, submission: SubmissionPaths) -> Whereabouts:
        """Asks nothing: `view_jobs` has learnt which workspace and environment are used here."""
        there, here = load_intent(submission).cluster, self.calls.known_place
        if there is None or there == here:
            return Whereabouts()
        return Whereabouts(is_surely_here=False, elsewhere="" if here is None else _ELSEWHERE)

    def _refuse_elsewhere(self, submission: SubmissionPaths) -> None:
        """Raise QueryError if the submission is in another workspace or environment."""
        there = load_intent(submission).cluster
        if there is not None and there != self.calls.place():
            raise QueryError(f"Modal was not asked about run {submission.name!r}: {_ELSEWHERE}")


class ModalRunner(CloudRunner):
    """Runs experiments on Modal. Needs the extra `modal` and an account."""

    def __init__(self, modal_config: ModalConfig | None = None) -> None:
        self.config = modal_config or ModalConfig()
        self._modal = ModalBackend(self.config)
        super().__init__(RecordedRuns(self._modal))

    def deploy(self) -> str:
        """Deploy the app for this runner's options now, not with the first run; the app's name."""
        return self._modal.calls.deploy(self.config).app_name

    def render_dry_run(self, request: TaskRequest) -> str:
        """A text that shows what `spawn` would submit. Asks nothing and writes nothing."""
        checked = as_request(request)
        what = checked.target or target_of(checked.config)
        shown = {key: value for key, value in self.config.to_json().items() if value}
        lines = [f"# run {checked.run_id} would run {what} in a container of Modal", *_table(shown)]
        return "\n".join(lines)


def make_parcel(submission: SubmissionPaths, config: ModalConfig, *, base_dir: str) -> Parcel:
    """The parcel of a recorded submission."""
    run = submission.run_paths
    limit_bytes = config.artifacts_limit_mb << 20
    return Parcel(
        token=load_intent(submission).token,
        submission=submission.number,
        base_dir=base_dir,
        task=task_of_attempt(submission).to_json(),
        payload=read_payload(submission),
        artifacts=pack_folder(run.artifacts, limit_bytes=limit_bytes)[0],
        artifacts_limit_bytes=limit_bytes,
        interpreter_options=record_of(submission).interpreter_options,
    )


def _view_of_delivered(envelope: Envelope) -> JobView:
    if envelope.exit_record is None and envelope.result is None:
        reason = "the supervisor in the container left neither a result nor an exit record"
        return JobView(phase="ended", state="SUCCESS", kind="node_fail", reason=reason)
    return JobView(phase="ended", state="SUCCESS")


def _may_still_show(submission: SubmissionPaths, intent: Intent) -> bool:
    given_up_s = seconds_since_given_up(submission)
    if given_up_s is None:
        if not launcher_is_over(submission, intent):
            return True
        given_up_s = max(0.0, time.time() - intent.created_at)
    return given_up_s < SHOWS_ITSELF_WITHIN_S


def _table(options: Mapping[str, object]) -> list[str]:
    width = max((len(key) for key in options), default=0)
    return [f"#   {key.ljust(width)}  {value}" for key, value in options.items()]


def make_runner(options: Mapping[str, Any]) -> ModalRunner:
    """The factory calls this. `options` are fields of `ModalConfig`."""
    return ModalRunner(ModalConfig.from_mapping(options))
