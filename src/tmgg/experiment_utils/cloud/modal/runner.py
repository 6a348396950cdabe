"""Runs as calls of a function deployed on Modal, with the records and verdicts of every backend.

The records are on this machine; what a run leaves travels home in its call's result and is written
into them by whichever process asks first.
"""

import logging
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from tmgg.errors import (
    BackendUnavailableError,
    ConfigError,
    MissingExtraError,
    QueryError,
    RecordError,
    SubmissionError,
    SubmissionUnknownError,
)
from tmgg.experiment_utils import ownership
from tmgg.experiment_utils.atomic_file import write_json
from tmgg.experiment_utils.cloud.base import as_request
from tmgg.experiment_utils.cloud.modal.calls import CallView, ModalCalls
from tmgg.experiment_utils.cloud.modal.config import ModalConfig
from tmgg.experiment_utils.cloud.modal.delivery import deliver
from tmgg.experiment_utils.cloud.modal.hints import MODAL_HINTS
from tmgg.experiment_utils.cloud.modal.parcel import Envelope, Parcel, pack_folder
from tmgg.experiment_utils.cloud.polling import Found, Question
from tmgg.experiment_utils.cloud.recorded import RecordedRunner
from tmgg.experiment_utils.cloud.runs import TaskRequest
from tmgg.experiment_utils.cloud.verdict import JobView
from tmgg.experiment_utils.paths import RunPaths, SubmissionPaths
from tmgg.experiment_utils.registry import (
    Intent,
    load_intent,
    load_run,
    load_task,
    new_intent,
    note_job,
    seconds_since_given_up,
)
from tmgg.experiment_utils.task import target_of

log = logging.getLogger(__name__)

# A call whose spawn was not answered may wait in Modal's queue for a GPU before it shows itself.
SHOWS_ITSELF_WITHIN_S = 900.0


class ModalRunner(RecordedRunner):
    """Runs experiments on Modal. Needs the extra `modal` and an account."""

    backend = "modal"
    hints = MODAL_HINTS

    def __init__(self, modal_config: ModalConfig | None = None) -> None:
        self.config = modal_config or ModalConfig()
        super().__init__(
            self.config.output_dir,
            poll_interval_s=self.config.poll_interval_s,
            grace_s=self.config.lost_grace_s,
        )
        self._calls = ModalCalls(self.config.environment)

    @property
    def default_timeout_s(self) -> int | None:
        return self.config.timeout_seconds

    def record_settings(self) -> dict[str, object]:
        return self.config.to_json()

    def deploy(self) -> str:
        """Deploy the app for this runner's options now instead of with the first run; its name."""
        return self._calls.deploy(self.config).app_name

    def render_dry_run(self, request: TaskRequest) -> str:
        """What `spawn` would hand over. Asks nobody, writes nothing."""
        checked = as_request(request)
        what = checked.target or target_of(checked.config)
        shown = {key: value for key, value in self.config.to_json().items() if value}
        lines = [f"# run {checked.run_id} would run {what} in a container of Modal", *_table(shown)]
        return "\n".join(lines)

    def check_submission(self, submission: SubmissionPaths, *, gpu_type: str | None) -> None:
        # Before anything is recorded: no account, no image or a wrong name is no run.
        self._calls.deploy(self._config_of(submission.run_paths, gpu_type))

    def write_submission(
        self, draft: SubmissionPaths, final: SubmissionPaths, *, gpu_type: str | None
    ) -> None:
        self._config_of(final.run_paths, gpu_type)
        write_json(draft.intent, new_intent().to_json())

    def start(self, submission: SubmissionPaths) -> str:
        config = self._config_of(submission.run_paths, None)
        parcel = make_parcel(submission, config)
        timeout_s = load_task(submission.run_paths).timeout_seconds
        try:
            call_id = self._calls.spawn(config, parcel, timeout_s=timeout_s)
        except (SubmissionUnknownError, KeyboardInterrupt):
            # Whoever asks later need not wait for this process any more.
            note_job(submission, None)
            raise
        except (MissingExtraError, ConfigError, QueryError, BackendUnavailableError) as error:
            raise SubmissionError(str(error)) from error
        note_job(submission, call_id)
        if ownership.is_forbidden(submission):  # cancelled meanwhile
            self.cancel_job(call_id)
        return call_id

    def adopt(self, submission: SubmissionPaths) -> str | None:
        intent = load_intent(submission)
        may_come = not ownership.is_forbidden(submission) and _may_still_show(submission, intent)
        try:
            ask = self._calls.owner if may_come else self._calls.forbid
            call_id = ask(intent.token)
        except (QueryError, BackendUnavailableError, MissingExtraError) as error:
            log.warning("%s", error)
            return None
        if call_id is not None:
            note_job(submission, call_id)
        elif not may_come:
            ownership.forbid(submission)
            raise SubmissionError(
                "no call of Modal's has begun this submission, and none can any more. `tmgg-jobs "
                f"retry {submission.run_paths.run_id}` submits it."
            )
        return call_id

    def view_jobs(self, job_ids: Sequence[str]) -> Mapping[str, JobView | None]:
        try:
            return self._calls.view(job_ids)
        except MissingExtraError as error:
            raise BackendUnavailableError(str(error)) from error

    def end_poll(self, question: Question, views: Mapping[str, JobView | None]) -> Found:
        view = None if question.job_id is None else views[question.job_id]
        if question.job_id is None or view is None:
            return super().end_poll(question, views)
        try:
            settled = self._settle(question.submission, question.job_id, view)
        except OSError as error:
            log.warning("the results of a run on Modal cannot be written here: %s", error)
            settled = None
        return super().end_poll(question, {**views, question.job_id: settled})

    def _settle(self, submission: SubmissionPaths, call_id: str, view: JobView) -> JobView | None:
        """Write down what a view brought; the view as the verdict takes it."""
        if view.phase == "running" and ownership.read_owner(submission) is None:
            ownership.claim(submission, call_id)
        if view.kind == "node_fail" and submission.cancel.exists():
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
        """The call found the submission begun by another one, or given up."""
        if owner == ownership.NOBODY:
            return JobView(phase="ended", state="UNUSED", reason="the submission was given up")
        note_job(submission, owner)
        return JobView(phase="pending", state="UNUSED", reason=f"{owner} runs it")

    def cancel_job(self, job_id: str) -> None:
        self.cancel_jobs([job_id])

    def cancel_jobs(self, job_ids: Sequence[str]) -> None:
        self._calls.cancel(job_ids)

    def forbid(self, submission: SubmissionPaths) -> str | None:
        # The file is what this machine sees; a container asks Modal.
        return self._calls.forbid(load_intent(submission).token) or ownership.forbid(submission)

    def _config_of(self, paths: RunPaths, gpu_type: str | None) -> ModalConfig:
        config = self.config
        if paths.run.exists():
            # A retry keeps the settings of the record, whatever this runner was made with.
            config = ModalConfig.from_mapping(load_run(paths).settings)
        return config if gpu_type is None else replace(config, gpu_type=gpu_type)


def make_parcel(submission: SubmissionPaths, config: ModalConfig) -> Parcel:
    """What a container needs to know of a recorded submission."""
    run = submission.run_paths
    limit_bytes = config.artifacts_limit_mb << 20
    return Parcel(
        token=load_intent(submission).token,
        submission=submission.number,
        base_dir=load_run(run).base_dir,
        task=load_task(run).to_json(),
        payload=run.payload.read_bytes() if run.payload.exists() else None,
        artifacts=pack_folder(run.artifacts, limit_bytes=limit_bytes)[0],
        artifacts_limit_bytes=limit_bytes,
    )


def _view_of_delivered(envelope: Envelope) -> JobView:
    if envelope.exit_record is None and envelope.result is None:
        reason = "the supervisor in the container left neither a result nor an exit record"
        return JobView(phase="ended", state="SUCCESS", kind="node_fail", reason=reason)
    return JobView(phase="ended", state="SUCCESS")


def _may_still_show(submission: SubmissionPaths, intent: Intent) -> bool:
    given_up_s = seconds_since_given_up(submission)
    if given_up_s is None:
        if intent.submitter_alive():
            return True
        given_up_s = max(0.0, time.time() - intent.created_at)
    return given_up_s < SHOWS_ITSELF_WITHIN_S


def _table(options: Mapping[str, object]) -> list[str]:
    width = max((len(key) for key in options), default=0)
    return [f"#   {key.ljust(width)}  {value}" for key, value in options.items()]


def make_runner(options: Mapping[str, Any]) -> ModalRunner:
    """For the factory: `options` are `ModalConfig` fields."""
    return ModalRunner(ModalConfig.from_mapping(options))
