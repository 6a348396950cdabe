"""From a run's record and final state to the result that callers get."""

from tmgg.errors import RecordError
from tmgg.experiment_utils.atomic_file import read_json, write_json
from tmgg.experiment_utils.cloud.runs import ExperimentResult, RunState
from tmgg.experiment_utils.evidence import read_result
from tmgg.experiment_utils.failures import Failure
from tmgg.experiment_utils.paths import LAYOUT_VERSION, RunPaths, SubmissionPaths
from tmgg.experiment_utils.registry import load_task
from tmgg.experiment_utils.task import nodes_of

_STATE_FIELDS = (
    "backend_state", "reason", "job_id", "exit_code", "nodes", "attempt", "status",
)  # fmt: skip


def save_verdict(paths: SubmissionPaths, state: RunState) -> None:
    """Keep a final state: it must not change when the backend forgets the job."""
    assert state.final
    value = {name: getattr(state, name) for name in _STATE_FIELDS}
    why = state.failure.to_json() if state.failure else None
    write_json(paths.verdict, {"version": LAYOUT_VERSION, **value, "failure": why})


def load_verdict(paths: SubmissionPaths) -> RunState | None:
    """The final state kept earlier, None when there is none; raises RecordError when damaged."""
    value = read_json(paths.verdict)
    if value is None:
        return None
    why = value.get("failure")
    try:
        state = RunState(
            run_id=paths.run_paths.run_id,
            final=True,
            failure=Failure.from_json(why) if why else None,
            **{name: value[name] for name in _STATE_FIELDS},
        )
    except (KeyError, TypeError) as error:
        raise RecordError(f"{paths.verdict} lacks fields: {error!r}") from error
    if state.status not in ("completed", "failed"):
        raise RecordError(f"{paths.verdict} has status {state.status!r}, which is no end")
    return state


def make_result(paths: RunPaths, submission: SubmissionPaths, state: RunState) -> ExperimentResult:
    """The result of a final run: its state's verdict with what the experiment wrote."""
    assert state.final
    output, _problem = read_result(submission)
    why = state.failure
    return ExperimentResult(
        run_id=paths.run_id,
        config=load_task(paths).config,
        status="completed" if state.status == "completed" else "failed",
        metrics=output.metrics if output else {},
        checkpoint_path=output.checkpoint_path if output else None,
        error_message=f"{why.message}\nHINT: {why.hint}" if why else None,
        failure=why,
        duration_seconds=output.duration_seconds if output else 0.0,
        attempts=state.attempt,
        job_id=state.job_id,
        nodes=nodes_of(output) if output else [],
        output_path=str(paths.stdout),
    )
