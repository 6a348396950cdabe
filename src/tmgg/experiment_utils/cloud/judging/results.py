"""Makes the result that callers get from a run's record and its final state."""

from dataclasses import dataclass, fields
from typing import Literal

from tmgg.errors import RecordError, RunError
from tmgg.experiment_utils.cloud.runs import ExperimentResult, RunState
from tmgg.experiment_utils.files.atomic_file import JsonDict, write_json
from tmgg.experiment_utils.files.plain_files import read_beginning
from tmgg.experiment_utils.files.trust import read_json
from tmgg.experiment_utils.identity.run_identity import load_identity
from tmgg.experiment_utils.run_folder.attempts import task_of_attempt
from tmgg.experiment_utils.run_folder.failures import Failure
from tmgg.experiment_utils.run_folder.owners import other_owner
from tmgg.experiment_utils.run_folder.paths import LAYOUT_VERSION, SubmissionPaths
from tmgg.experiment_utils.run_folder.phases import parse_phases, seconds_of_experiment
from tmgg.experiment_utils.run_folder.records import as_time, parse_record
from tmgg.experiment_utils.run_folder.sound_records import read_sound
from tmgg.experiment_utils.run_folder.submission_files import SubmissionFiles
from tmgg.experiment_utils.run_folder.task import TaskInput, TaskOutput, nodes_of
from tmgg.experiment_utils.sampling.reading import find_use


@dataclass(frozen=True, kw_only=True, slots=True)
class _Verdict:
    """The content of `verdict.json`: the parts of a final state that are kept."""

    status: Literal["completed", "failed"]
    backend_state: str
    reason: str
    job_id: str | None
    exit_code: str | None
    nodes: str
    attempt: int
    failure: JsonDict | None = None
    resumable: bool = False
    token: str | None = None
    """The submission's token; None if it had none yet, or if an older TMGG wrote the verdict."""


def save_verdict(paths: SubmissionPaths, state: RunState, token: str | None = None) -> None:
    """Save a final state, so that it does not change when the backend forgets the job.

    `token` belongs to the submission that was judged. Raises RecordError if another submission has
    taken the run's name since.
    """
    assert state.final
    if _is_anothers(SubmissionFiles(paths), token):
        raise RecordError(f"run {state.run_id!r} was removed, and another has its name")
    kept = [item.name for item in fields(_Verdict) if item.name != "token"]
    value = {name: getattr(state, name) for name in kept} | {"token": token}
    why = state.failure.to_json() if state.failure else None
    write_json(paths.verdict, {"version": LAYOUT_VERSION, **value, "failure": why})


def load_verdict(files: SubmissionFiles) -> RunState | None:
    """The saved final state; None if there is none, or if it is another submission's.

    Raises RecordError if the file is damaged.
    """
    paths = files.paths
    value = read_json(paths.verdict)
    if value is None:
        return None
    what = str(paths.verdict)
    kept = parse_record(_Verdict, value, what=what, newest_version=LAYOUT_VERSION)
    if _is_anothers(files, kept.token):
        return None
    if (kept.failure is None) != (kept.status == "completed"):
        raise RecordError(
            f"{what} is {kept.status} with failure={kept.failure!r:.100}. Remove the file; "
            "it is made again."
        )
    return RunState(
        run_id=paths.run_paths.run_id,
        status=kept.status,
        final=True,
        backend_state=kept.backend_state,
        reason=kept.reason,
        job_id=kept.job_id,
        exit_code=kept.exit_code,
        nodes=kept.nodes,
        attempt=kept.attempt,
        resumable=kept.resumable,
        failure=None if kept.failure is None else Failure.from_json(kept.failure, what=what),
    )


def _is_anothers(files: SubmissionFiles, token: str | None) -> bool:
    there = None if token is None else files.token
    return there is not None and there != token


def read_seconds(submission: SubmissionPaths) -> float | None:
    """How many seconds an experiment without a result ran, from its job's phase marks.

    None if they do not tell, or if they cannot be read.
    """
    try:
        marks = parse_phases(read_beginning(submission.phases))
        ended_at = (read_sound(submission.ended) or {}).get("ended_at")
    except OSError:
        return None
    return seconds_of_experiment(marks, ended_at=as_time(ended_at))


def _task_of(submission: SubmissionPaths) -> TaskInput:
    try:
        return task_of_attempt(submission)
    except PermissionError as error:
        owner = other_owner(submission)
        if owner is None:
            raise
        raise RunError(
            f"run {submission.name} is {owner}'s, and its config, which may hold secrets, is "
            f"closed to you: only {owner} can collect it. tmgg-jobs show and logs work for you "
            f"(docs/security.md)."
        ) from error


def make_result(
    submission: SubmissionPaths, state: RunState, output: TaskOutput | None
) -> ExperimentResult:
    """The result of a run that has ended: the final state, with what the experiment wrote."""
    assert state.final
    paths = submission.run_paths
    # If the run failed, a completed result is from an earlier start of the job.
    if output is not None and (output.status, state.status) == ("completed", "failed"):
        output = None
    why, task = state.failure, _task_of(submission)
    known = load_identity(task.identity, what=paths.run_id)
    return ExperimentResult(
        run_id=paths.run_id,
        config=task.config,
        status="completed" if state.status == "completed" else "failed",
        metrics=output.metrics if output else {},
        checkpoint_path=output.checkpoint_path if output else None,
        error_message=f"{why.message}\nHINT: {why.hint}" if why else None,
        failure=why,
        duration_seconds=output.duration_seconds if output else read_seconds(submission),
        attempts=state.attempt,
        job_id=state.job_id,
        nodes=nodes_of(output) if output else [],
        workers=output.workers if output else [],
        output_path=str(paths.stdout),
        folder=known.folder if known else None,
        used=find_use(SubmissionFiles(submission)),
    )
