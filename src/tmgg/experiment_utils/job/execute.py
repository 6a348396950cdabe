"""The job side: loads the task, runs the experiment, writes the result. Runs on the compute node.

The result file counts; the `TMGG_RESULT:` line on stdout is a copy for people, and is used if the
file cannot be written.
"""

import contextlib
import logging
import math
import os
import signal
import socket
import sys
import traceback
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from tmgg.errors import (
    ArtifactError,
    DivergedError,
    RunError,
    StoppedEarlyError,
    TaskError,
    TmggError,
    UnwritableError,
)
from tmgg.experiment_utils.error_frames import format_from_users_code
from tmgg.experiment_utils.error_text import bounded, text_of
from tmgg.experiment_utils.files.atomic_file import JsonDict, write_atomic, write_json
from tmgg.experiment_utils.files.leaving import leave
from tmgg.experiment_utils.files.looking import look_anew_on_the_way
from tmgg.experiment_utils.identity.code_of_run import changed_code, watch_code
from tmgg.experiment_utils.job import gpu_variables, job_exit_codes
from tmgg.experiment_utils.job.artifacts import UPLOAD_WITHIN_S, Upload, url_of
from tmgg.experiment_utils.job.clock import Stopwatch
from tmgg.experiment_utils.job.context import (
    Rank,
    RunContext,
    RunNode,
    reported_workers,
    set_current_run,
    this_machine,
)
from tmgg.experiment_utils.job.ends import ending_well, telling_of_silent_exit, words_of_exit
from tmgg.experiment_utils.job.job_environment import RAY_VARIABLE
from tmgg.experiment_utils.job.metrics import check_returned
from tmgg.experiment_utils.job.nesting import noting_job
from tmgg.experiment_utils.job.own_log import kept_apart_afterwards, own_lines_on_stderr
from tmgg.experiment_utils.job.ray_connection import connect_ray
from tmgg.experiment_utils.job.stop_signal import telling_by_signal
from tmgg.experiment_utils.job.stopping import TERMINATED, heeding_term, read_stop_reason
from tmgg.experiment_utils.job.timeout import ExperimentTimeout, time_limit
from tmgg.experiment_utils.program.main_module import changed_script
from tmgg.experiment_utils.program.single import become
from tmgg.experiment_utils.run_folder.attempts import (
    fill_attempt,
    payload_path,
    record_of,
    task_of_attempt,
)
from tmgg.experiment_utils.run_folder.batch_index import fill_run_folder
from tmgg.experiment_utils.run_folder.evidence_token import is_anothers, token_to_leave
from tmgg.experiment_utils.run_folder.paths import SubmissionPaths, submission_paths
from tmgg.experiment_utils.run_folder.phases import write_phase
from tmgg.experiment_utils.run_folder.rank_paths import RankPaths, nodes_of_rank, speaks_for_run
from tmgg.experiment_utils.run_folder.starts import is_superseded, own_restart
from tmgg.experiment_utils.run_folder.submission_files import first_attempt
from tmgg.experiment_utils.run_folder.task import (
    FILES,
    IGNORES_CONFIG,
    Experiment,
    Metrics,
    TaskInput,
    TaskOutput,
    load_target,
    render_result_line,
)
from tmgg.experiment_utils.sampling.beside import sampling_use

log = logging.getLogger(__name__)

TRACEBACK_LINES = 30
_EXIT_CODES = {"completed": job_exit_codes.COMPLETED, "stopped": job_exit_codes.STOPPED}


@dataclass(frozen=True, slots=True)
class _Failed:
    stage: str
    error: BaseException


def execute_task(
    submission_folder: str | None = None,
    *,
    rank: Rank | None = None,
    nodes: Sequence[RunNode] = (),
) -> int:
    """Run the task of one submission; returns the process's exit code.

    `submission_folder` defaults to the last command-line argument, which the job script sets. A
    result is written whether the experiment succeeds or fails. If it cannot be written (disk full),
    the exit code is 74. If the run has several ranks, each writes its result into its own folder,
    and the supervisors make the run's result from these.
    """
    paths = submission_paths(Path(submission_folder or sys.argv[-1]))
    if rank is not None:
        paths = RankPaths(paths.run_paths, paths.number, rank=rank, nodes=tuple(nodes))
    started = Stopwatch()
    gpu_variables.translate_own()
    # Ray's job agent and TMGG's supervisors block signals, and this process inherits that.
    signal.pthread_sigmask(signal.SIG_SETMASK, ())
    write_phase(paths, "entrypoint_start")
    with noting_job(), own_lines_on_stderr():
        output = _attempt(paths, started)
        exit_code = publish(paths, output)
    write_phase(paths, "entrypoint_end")
    return exit_code


def _attempt(paths: SubmissionPaths, started: Stopwatch) -> TaskOutput:
    outcome: TaskOutput | _Failed
    ray_nodes: list[RunNode] = []
    metrics: Metrics = {}
    checkpoint: str | None = None
    stage = "load"
    try:
        task = leave(lambda: _load(paths), paths.folder)
        watch_code(task.identity, lambda: _submitted_at(paths))
        stage = "ray"
        ray_nodes = connect_ray(namespace=_namespace(paths))
        stage = "load"
        set_current_run(_context(paths, ray_nodes))
        if task.process is not None:
            become(task.process, task.config, paths.run_paths.artifacts)
        experiment = load_target(task.target)
        config = _config_for(experiment, task, paths)
        stage = "run"
        with (
            telling_by_signal(paths),
            heeding_term(paths),
            _limit(task, paths, started),
            _silent_exit_told(paths, started),
            sampling_use(paths),
            kept_apart_afterwards(),
        ):
            returned = ending_well(experiment)(config)
        stage = "result"
        if speaks_for_run(paths):
            metrics, checkpoint = parse_returned(returned)
        outcome = TaskOutput(
            run_id=task.run_id, status="completed", metrics=metrics, checkpoint_path=checkpoint
        )
        if task.artifact_url is not None and speaks_for_run(paths):
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
        # If only sending the files failed, the metrics and the checkpoint are kept.
        kept = checkpoint or failed.checkpoint_path
        outcome = replace(failed, metrics=metrics, checkpoint_path=kept)
    nodes = [node.to_json() for node in ray_nodes]
    outcome = replace(outcome, ray_nodes=nodes, workers=list(reported_workers()))
    set_current_run(None)
    return _stamped(outcome, paths, started)


def _submitted_at(paths: SubmissionPaths) -> float:
    try:
        return record_of(paths).created_at
    except (RunError, OSError):
        return math.inf  # not known, so no file counts as edited after it


def _limit(
    task: TaskInput, paths: SubmissionPaths, started: Stopwatch
) -> contextlib.AbstractContextManager[None]:
    return time_limit(task.timeout_seconds, on_deadline=lambda: _deadline(paths, started))


def _silent_exit_told(
    paths: SubmissionPaths, started: Stopwatch
) -> contextlib.AbstractContextManager[None]:
    def tell(error: TaskError) -> None:
        _end_now(paths, _failed_output(paths, _Failed("run", error)), started)

    return telling_of_silent_exit(tell)


def _stamped(output: TaskOutput, paths: SubmissionPaths, started: Stopwatch) -> TaskOutput:
    ended_at = started.at + started.elapsed_s()
    return replace(
        output,
        submission=paths.number,
        token=token_to_leave(paths),
        restart=own_restart(),
        job_id=os.environ.get("TMGG_JOB_ID"),
        hostname=socket.gethostname(),
        changed_script=changed_script(),
        changed_code=changed_code(),
        started_at=started.at,
        completed_at=ended_at,
        duration_seconds=ended_at - started.at,
    )


def parse_returned(returned: object) -> tuple[Metrics, str | None]:
    """The metrics and the checkpoint in the value that an experiment returned (see `metrics`).

    None counts as no metrics, a single number as `{"value": number}`. Raises TaskError for a value
    that is no number.
    """
    found = check_returned(returned)
    return found.metrics, found.checkpoint_path


def _load(paths: SubmissionPaths) -> TaskInput:
    look_anew_on_the_way(paths.folder)
    fill_run_folder(paths)
    fill_attempt(paths)
    task = task_of_attempt(paths)
    paths.run_paths.artifacts.mkdir(parents=True, exist_ok=True)
    return task


def _context(paths: SubmissionPaths, ray_nodes: Sequence[RunNode]) -> RunContext:
    run = paths.run_paths
    return RunContext(
        run_id=run.run_id,
        output_dir=run.artifacts,
        attempt=first_attempt(paths) + own_restart(),
        payload_path=payload_path(paths),
        stop_path=paths.stop,
        ray_address=os.environ.get(RAY_VARIABLE),
        nodes=tuple(ray_nodes) or nodes_of_rank(paths) or (this_machine(),),
        checkpoint_note=run.checkpoint,
        rank=paths.rank if isinstance(paths, RankPaths) else None,
        rank_dir=paths.own_folder if isinstance(paths, RankPaths) else None,
    )


def _send_artifacts(
    paths: SubmissionPaths, task: TaskInput, found: TaskOutput, started: Stopwatch
) -> str | None:
    """Send the experiment's files to the task's URL; return where its checkpoint is then."""
    folder = paths.run_paths.artifacts
    url = f"{task.artifact_url}/{task.run_id}"
    late = ArtifactError(
        f"bringing the files to {url} took longer than {UPLOAD_WITHIN_S:g} s. Files that have "
        "arrived are noted there; the others are sent when the run is submitted again."
    )

    def give_up() -> None:
        failed = _failed_output(paths, _Failed("artifacts", late))
        kept = replace(failed, metrics=found.metrics, checkpoint_path=found.checkpoint_path)
        _end_now(paths, kept, started)

    try:
        with time_limit(UPLOAD_WITHIN_S, on_deadline=give_up):
            return url_of(found.checkpoint_path, folder, url, Upload(folder, url).run())
    except ExperimentTimeout as error:  # its message is about the experiment's own limit
        raise late from error


def _config_for(experiment: Experiment, task: TaskInput, paths: SubmissionPaths) -> Any:
    """The experiment's config; None if the experiment is marked as reading none."""
    if getattr(experiment, IGNORES_CONFIG, False):
        return None
    from omegaconf import OmegaConf  # takes a tenth of a second; calls of functions do not need it

    return OmegaConf.create(_with_output_dir(task.config, paths))


def _with_output_dir(config: JsonDict, paths: SubmissionPaths) -> JsonDict:
    if config.get("output_dir") is not None:
        return config
    return {**config, "output_dir": str(paths.run_paths.artifacts)}


def _namespace(paths: SubmissionPaths) -> str | None:
    """One Ray namespace for all ranks; None for a single process, for which Ray makes a new one."""
    return paths.run_paths.run_id if isinstance(paths, RankPaths) else None


def _failed_output(paths: SubmissionPaths, failed: _Failed) -> TaskOutput:
    error = failed.error
    kind = type(error)
    name = (
        kind.__qualname__
        if kind.__module__ == "builtins"
        else f"{kind.__module__}.{kind.__qualname__}"
    )
    lines = "".join(format_from_users_code(error)).splitlines()
    return TaskOutput(
        run_id=paths.run_paths.run_id,
        status="timeout" if isinstance(error, ExperimentTimeout) else "failed",
        checkpoint_path=_kept_by(error),
        error_type=name,
        error_message=bounded(_words_of(error)),
        traceback=bounded("\n".join(lines[-TRACEBACK_LINES:]), most_lines=TRACEBACK_LINES),
        stage=FILES if isinstance(error, UnwritableError) else failed.stage,
    )


def _kept_by(error: BaseException) -> str | None:
    """The checkpoint with the best weights before the training diverged; None for other errors."""
    return error.checkpoint_path if isinstance(error, DivergedError) else None


def _stopped_output(paths: SubmissionPaths, stopped: StoppedEarlyError) -> TaskOutput:
    log.info("Experiment stopped to go on later: %s", stopped)
    return TaskOutput(
        run_id=paths.run_paths.run_id,
        status="stopped",
        checkpoint_path=stopped.checkpoint_path,
        error_message=bounded(str(stopped)),
        stop_reason=read_stop_reason(paths) or TERMINATED,
    )


def _words_of(error: BaseException) -> str:
    if isinstance(error, SystemExit):
        return words_of_exit(error)
    return text_of(error)


def _deadline(paths: SubmissionPaths, started: Stopwatch) -> None:
    """The experiment ignored its time limit (native code that never returns): end the process."""
    error = ExperimentTimeout("the experiment ignored its time limit and was ended")
    _end_now(paths, _failed_output(paths, _Failed("run", error)), started)


def fail_from_outside(paths: SubmissionPaths, error: TmggError, started: Stopwatch) -> None:
    """Write the result of a run whose process is about to be ended by the calling process."""
    publish(paths, _stamped(_failed_output(paths, _Failed("run", error)), paths, started))


def _end_now(paths: SubmissionPaths, output: TaskOutput, started: Stopwatch) -> None:
    os._exit(publish(paths, _stamped(output, paths, started)))


def publish(paths: SubmissionPaths, output: TaskOutput) -> int:
    """Write result file and result line; return the exit code of this process."""
    if is_superseded(paths, own_restart()):
        log.error("the job was started again meanwhile; this result is not written")
        return job_exit_codes.SUPERSEDED
    if is_anothers(paths):
        log.error("the run was removed, and another has its name; this result is not written")
        return job_exit_codes.SUPERSEDED
    exit_code = _EXIT_CODES.get(output.status, job_exit_codes.FAILED)

    def write() -> None:
        write_json(paths.result, output.to_json())
        write_atomic(paths.entrypoint_exit_code, f"{exit_code}\n".encode())

    try:
        write()
    except OSError:
        _print_result(paths, output)  # before the wait, in which the process may be ended
        return exit_code if _wrote_later(write, paths) else job_exit_codes.CANNOT_WRITE
    _print_result(paths, output)
    return exit_code


def _wrote_later(write: Callable[[], None], paths: SubmissionPaths) -> bool:
    try:
        leave(write, paths.folder)
    except OSError as error:
        log.error("could not write %s: %s", paths.result, error)
        return False
    return True


def _print_result(paths: SubmissionPaths, output: TaskOutput) -> None:
    if isinstance(paths, RankPaths):
        return
    try:
        print("\n" + render_result_line(output), flush=True)  # noqa: T201 - it is the interface
    except (OSError, ValueError) as error:  # the disk is full, or the experiment closed stdout
        log.error("could not print the result line: %s", error)
