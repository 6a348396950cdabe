"""Makes the value or the exception of a future from its run, which has ended."""

from pathlib import Path
from typing import Any

from tmgg.errors import RecordError, RunFailedError
from tmgg.experiment_utils.calls.outcome import CallOutcome, load_outcome
from tmgg.experiment_utils.cloud.futures.call_future import RunFuture
from tmgg.experiment_utils.cloud.runs import ExperimentResult
from tmgg.experiment_utils.error_text import text_of_any
from tmgg.experiment_utils.run_folder.evidence import read_result
from tmgg.experiment_utils.run_folder.paths import RunPaths
from tmgg.experiment_utils.run_folder.submission_files import SubmissionFiles


def settle(future: RunFuture[Any], result: ExperimentResult, outcome: CallOutcome | None) -> None:
    """Set the future's value or exception. `outcome` is what the call left; None if nothing."""
    try:
        value = value_of(result, outcome)
    except Exception as error:  # from the call itself, or from unpickling its classes
        future.fail(error)
    else:
        future.succeed(value)


def value_of(result: ExperimentResult, outcome: CallOutcome | None) -> Any:
    """What the call returned. Raises its exception if that can be opened, or RunFailedError."""
    if result.status == "completed":
        if outcome is None or outcome.kind != "returned":
            raise RunFailedError(
                f"run {result.run_id} completed, but left no return value in its output folder; "
                "submit the call again",
                result=result,
            )
        return _value(outcome, result)
    # What the call left counts only if the verdict agrees: the job may have died after writing it.
    if outcome is not None and outcome.kind == "raised":
        raise _opened(outcome, result)
    raise _failed(result)


def _value(outcome: CallOutcome, result: ExperimentResult) -> Any:
    try:
        return outcome.open()
    except BaseException as problem:  # for example, a class is missing or raises SystemExit
        raise RunFailedError(
            f"run {result.run_id} completed, but its return value cannot be opened in this "
            f"process: {_words_of(problem)}. Its classes must be importable here as in the job, "
            "and must not end or interrupt this process.",
            result=result,
        ) from problem


def _opened(outcome: CallOutcome, result: ExperimentResult) -> Exception:
    try:
        error = outcome.open()
    except BaseException as problem:  # as above
        failed = _failed(result)
        failed.add_note(f"(the exception itself cannot be opened here: {_words_of(problem)})")
        return failed
    return error if isinstance(error, Exception) else _failed(result)


def _words_of(problem: BaseException) -> str:
    return f"{type(problem).__name__}: {text_of_any(problem)}"


def _failed(result: ExperimentResult) -> RunFailedError:
    why = result.error_message or "for an unknown reason"
    error = RunFailedError(f"run {result.run_id} failed: {why}", result=result)
    if (text := _traceback_of(result)) is not None:
        error.add_note(f"\nIn the job:\n{text}")
    return error


def outcome_of(result: ExperimentResult) -> CallOutcome | None:
    """What the call left; None if it left nothing.

    Raises RecordError if the file is damaged or another user's, OSError if it cannot be read.
    """
    paths = _paths(result)
    return None if paths is None else load_outcome(paths.artifacts, attempt=result.attempts)


def _traceback_of(result: ExperimentResult) -> str | None:
    paths = _paths(result)
    if paths is None or not (numbers := paths.submission_numbers()):
        return None
    try:
        output, _problem = read_result(SubmissionFiles(paths.submission(max(numbers))))
    except (RecordError, OSError):
        return None
    return None if output is None else output.traceback


def _paths(result: ExperimentResult) -> RunPaths | None:
    if result.output_path is None:
        return None
    return RunPaths(Path(result.output_path).parent, result.run_id)
