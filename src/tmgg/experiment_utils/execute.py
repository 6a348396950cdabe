"""The job side: load the task, run the experiment, leave the result. Runs on the compute node.

The result file is the truth; the `TMGG_RESULT:` line on stdout is a copy for people and for the
day when the file cannot be written.
"""

import contextlib
import logging
import os
import socket
import sys
import time
import traceback
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from omegaconf import OmegaConf

from tmgg.errors import ArtifactError, RecordError, StoppedEarlyError, TaskError
from tmgg.experiment_utils.artifacts import UPLOAD_WITHIN_S, Upload, url_of
from tmgg.experiment_utils.atomic_file import JsonDict, read_json, write_atomic, write_json
from tmgg.experiment_utils.batch_index import fill_run_folder
from tmgg.experiment_utils.context import (
    RunContext,
    RunNode,
    reported_workers,
    set_current_run,
    this_machine,
)
from tmgg.experiment_utils.evidence import first_attempt
from tmgg.experiment_utils.paths import SubmissionPaths, submission_paths
from tmgg.experiment_utils.phases import write_phase
from tmgg.experiment_utils.stopping import TERMINATED, heeding_term, read_stop_reason
from tmgg.experiment_utils.task import (
    Metrics,
    TaskInput,
    TaskOutput,
    load_target,
    render_result_line,
)
from tmgg.experiment_utils.timeout import ExperimentTimeout, time_limit

log = logging.getLogger(__name__)

TRACEBACK_LINES = 30
STOPPED_EXIT_CODE = 85
"""For the job script: the experiment stopped with its state saved. HTCondor's users know it so."""
_EXIT_CODES = {"completed": 0, "stopped": STOPPED_EXIT_CODE}


@dataclass(frozen=True, slots=True)
class _Failed:
    stage: str
    error: BaseException


def execute_task(submission_folder: str | None = None) -> int:
    """Run the task of one submission; returns the process's exit code.

    `submission_folder` defaults to the last command-line argument, which is how the job script
    passes it. Whatever happens to the experiment, a result is written: only a result that nobody
    could write (disk full) ends without one, and then with exit code 74.
    """
    paths = submission_paths(Path(submission_folder or sys.argv[-1]))
    started = time.time()
    write_phase(paths, "entrypoint_start")
    output = _attempt(paths, started)
    exit_code = _publish(paths, output)
    write_phase(paths, "entrypoint_end")
    return exit_code


def _attempt(paths: SubmissionPaths, started: float) -> TaskOutput:
    outcome: TaskOutput | _Failed
    ray_nodes: list[RunNode] = []
    metrics: Metrics = {}
    checkpoint: str | None = None
    stage = "load"
    try:
        task = _load(paths)
        stage = "ray"
        ray_nodes = _connect_ray()
        stage = "load"
        set_current_run(_context(paths, ray_nodes))
        experiment = load_target(task.target)
        config = OmegaConf.create(_with_output_dir(task.config, paths))
        stage = "run"
        # After Ray has connected: it sets a handler of its own.
        with heeding_term(paths), _limit(task, paths, started):
            returned = experiment(config)
        stage = "result"
        metrics, checkpoint = parse_returned(returned)
        outcome = TaskOutput(
            run_id=task.run_id, status="completed", metrics=metrics, checkpoint_path=checkpoint
        )
        if task.artifact_url is not None:
            stage = "artifacts"
            sent = _send_artifacts(paths, task, outcome, started)
            outcome = replace(outcome, checkpoint_path=sent)
        log.info("Experiment completed")
    except StoppedEarlyError as stopped:
        outcome = _stopped_output(paths, stopped)
    except BaseException as error:  # the job-side top level: everything becomes a result
        with contextlib.suppress(OSError):  # stderr on a full disk
            traceback.print_exc()
        failed = _failed_output(paths, _Failed(stage, error))
        # What the experiment found is not lost with its files.
        outcome = replace(failed, metrics=metrics, checkpoint_path=checkpoint)
    nodes = [node.to_json() for node in ray_nodes]
    outcome = replace(outcome, ray_nodes=nodes, workers=list(reported_workers()))
    set_current_run(None)
    return _stamped(outcome, paths, started)


def _limit(
    task: TaskInput, paths: SubmissionPaths, started: float
) -> contextlib.AbstractContextManager[None]:
    return time_limit(task.timeout_seconds, on_deadline=lambda: _deadline(paths, started))


def _stamped(output: TaskOutput, paths: SubmissionPaths, started: float) -> TaskOutput:
    ended = time.time()
    return replace(
        output,
        submission=paths.number,
        restart=_restart(),
        job_id=os.environ.get("TMGG_JOB_ID"),
        hostname=socket.gethostname(),
        started_at=started,
        completed_at=ended,
        duration_seconds=ended - started,
    )


def _restart() -> int:
    return int(os.environ.get("TMGG_RESTART", "0"))


def parse_returned(returned: object) -> tuple[Metrics, str | None]:
    """Metrics and checkpoint out of what an experiment returned.

    None counts as no metrics, a single number as `{"value": number}`. Numbers of numpy and torch
    (anything with `item()`) become Python's. Raises TaskError for anything else.
    """
    if returned is None:
        return {}, None
    if not isinstance(returned, Mapping):
        returned = {"value": returned}
    rest = dict(returned)
    checkpoint = rest.pop("checkpoint_path", None)
    metrics = {str(name): _number(str(name), value) for name, value in rest.items()}
    return metrics, None if checkpoint is None else str(checkpoint)


def _number(name: str, value: Any) -> float:
    try:
        item = value.item() if hasattr(value, "item") else value
    except (TypeError, ValueError, RuntimeError):  # an array of none or of several
        item = None
    if isinstance(item, bool | int | float):
        return item
    raise TaskError(
        f"the experiment returned {name}={value!r:.200}, a {type(value).__name__}. Return a "
        "mapping of names to numbers (and 'checkpoint_path', if there is one)."
    )


def _load(paths: SubmissionPaths) -> TaskInput:
    fill_run_folder(paths)
    found = read_json(paths.run_paths.task)
    if found is None:
        raise RecordError(f"no task file {paths.run_paths.task}")
    task = TaskInput.from_json(found, what=str(paths.run_paths.task))
    paths.run_paths.artifacts.mkdir(parents=True, exist_ok=True)
    return task


def _context(paths: SubmissionPaths, ray_nodes: Sequence[RunNode]) -> RunContext:
    run = paths.run_paths
    return RunContext(
        run_id=run.run_id,
        output_dir=run.artifacts,
        attempt=first_attempt(paths) + _restart(),
        payload_path=run.payload if run.payload.exists() else None,
        stop_path=paths.stop,
        ray_address=os.environ.get("TMGG_RAY_ADDRESS"),
        nodes=tuple(ray_nodes) or (this_machine(),),
        checkpoint_note=run.checkpoint,
    )


def _send_artifacts(
    paths: SubmissionPaths, task: TaskInput, found: TaskOutput, started: float
) -> str | None:
    """Bring the experiment's files to the task's URL; where its checkpoint is then."""
    folder = paths.run_paths.artifacts
    url = f"{task.artifact_url}/{task.run_id}"
    late = ArtifactError(
        f"bringing the files to {url} took longer than {UPLOAD_WITHIN_S:g} s. What has arrived is "
        "noted there; the rest follows when the run is submitted again."
    )

    def give_up() -> None:
        failed = _failed_output(paths, _Failed("artifacts", late))
        kept = replace(failed, metrics=found.metrics, checkpoint_path=found.checkpoint_path)
        _end_now(paths, kept, started)

    try:
        with time_limit(UPLOAD_WITHIN_S, on_deadline=give_up):
            return url_of(found.checkpoint_path, folder, url, Upload(folder, url).run())
    except ExperimentTimeout as error:  # its words are about the experiment's own limit
        raise late from error


def _with_output_dir(config: JsonDict, paths: SubmissionPaths) -> JsonDict:
    if config.get("output_dir") is not None:
        return config
    return {**config, "output_dir": str(paths.run_paths.artifacts)}


def _connect_ray() -> list[RunNode]:
    address = os.environ.get("TMGG_RAY_ADDRESS")
    if not address:
        return []
    import ray  # over a second to import: only for runs that have a Ray cluster

    ray.init(address=address, logging_level="WARNING", log_to_driver=True)
    return [
        RunNode(
            hostname=node["NodeManagerHostname"],
            address=node["NodeManagerAddress"],
            cpus=node["Resources"].get("CPU", 0),
            gpus=node["Resources"].get("GPU", 0),
        )
        for node in ray.nodes()
        if node["Alive"]
    ]


def _failed_output(paths: SubmissionPaths, failed: _Failed) -> TaskOutput:
    error = failed.error
    kind = type(error)
    name = (
        kind.__qualname__
        if kind.__module__ == "builtins"
        else f"{kind.__module__}.{kind.__qualname__}"
    )
    lines = "".join(traceback.format_exception(error)).splitlines()
    return TaskOutput(
        run_id=paths.run_paths.run_id,
        status="timeout" if isinstance(error, ExperimentTimeout) else "failed",
        error_type=name,
        error_message=_words_of(error),
        traceback="\n".join(lines[-TRACEBACK_LINES:]),
        stage=failed.stage,
    )


def _stopped_output(paths: SubmissionPaths, stopped: StoppedEarlyError) -> TaskOutput:
    log.info("Experiment stopped to go on later: %s", stopped)
    return TaskOutput(
        run_id=paths.run_paths.run_id,
        status="stopped",
        checkpoint_path=stopped.checkpoint_path,
        error_message=str(stopped),
        stop_reason=read_stop_reason(paths) or TERMINATED,
    )


def _words_of(error: BaseException) -> str:
    try:
        return str(error)
    except Exception as unspeakable:  # the job-side top level: any class may be raised
        return f"(its text cannot be had: {type(unspeakable).__name__}: {unspeakable})"


def _deadline(paths: SubmissionPaths, started: float) -> None:
    """The experiment ignored its time limit (native code that never returns): end the process."""
    error = ExperimentTimeout("the experiment ignored its time limit and was ended")
    _end_now(paths, _failed_output(paths, _Failed("run", error)), started)


def _end_now(paths: SubmissionPaths, output: TaskOutput, started: float) -> None:
    os._exit(_publish(paths, _stamped(output, paths, started)))


def _publish(paths: SubmissionPaths, output: TaskOutput) -> int:
    """Write result file and result line; the exit code by which the job script knows the result."""
    if _is_stale(paths):
        log.error("the job was started again meanwhile; this result is not written")
        return os.EX_TEMPFAIL
    exit_code = _EXIT_CODES.get(output.status, 1)
    try:
        write_json(paths.result, output.to_json())
        write_atomic(paths.entrypoint_exit_code, f"{exit_code}\n".encode())
    except OSError as error:
        log.error("could not write %s: %s", paths.result, error)
        exit_code = os.EX_IOERR
    try:
        print("\n" + render_result_line(output), flush=True)  # noqa: T201 - it is the interface
    except (OSError, ValueError) as error:  # a full disk; a stdout that the experiment closed
        log.error("could not print the result line: %s", error)
    return exit_code


def _is_stale(paths: SubmissionPaths) -> bool:
    """Whether a later start of the job has begun while this one, cut off from Slurm, went on."""
    try:
        return int(paths.restart.read_text()) > _restart()
    except (OSError, ValueError):
        return False
