"""One job of a Hydra app: the launcher packs it, and the backend runs it.

A Hydra task function may be a closure, so it is sent as a pickle (cloudpickle) in the run's payload
file, which only its owner can read. The composed config and Hydra's own state are sent with it. So
Hydra's `run_job` does in the job what it would have done in the launcher. What the user's script
defines is sent by name: the job loads the script (see `experiment_utils.program`).
"""

import contextlib
import logging
import os
import pickle
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import cloudpickle
from hydra.core.singleton import Singleton
from hydra.core.utils import JobReturn, JobStatus, run_job, setup_globals
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig, OmegaConf, open_dict, read_write

from tmgg.errors import TaskError
from tmgg.experiment_utils.cloud.runs import TaskRequest
from tmgg.experiment_utils.error_text import text_of
from tmgg.experiment_utils.files.trust import read_trusted
from tmgg.experiment_utils.job.context import RunContext, current_run
from tmgg.experiment_utils.job.ends import ending_well
from tmgg.experiment_utils.job.metrics import BARE_NAME
from tmgg.experiment_utils.program.again import announce
from tmgg.experiment_utils.program.captured import Program, capture_program
from tmgg.experiment_utils.program.entering import enter, place_of
from tmgg.experiment_utils.program.left_behind import set_in_modules
from tmgg.experiment_utils.program.opening import open_part
from tmgg.experiment_utils.program.pickling import PICKLING_ERRORS, dumps, globals_for
from tmgg.experiment_utils.program.search_path import own_search_path
from tmgg.experiment_utils.program.sent_globals import dump_globals
from tmgg.experiment_utils.run_folder.task import escape_interpolation
from tmgg.hydra_plugins.job_logging import configure_as_launched, keeping_own_lines_apart
from tmgg.hydra_plugins.job_process import arguments_of, know_plugins, no_app_starts, set_state
from tmgg.hydra_plugins.job_returns import leave_if_possible, metrics_of, portable
from tmgg.hydra_plugins.resolving import as_in_job

log = logging.getLogger(__name__)

TARGET = "tmgg.hydra_plugins.hydra_job:run"
_APP = "the Hydra app (its task function, callbacks or resolvers)"
JOB_DIR_KEY = "hydra.sweep.dir"
JOB_SUBDIR_KEY = "hydra.sweep.subdir"


@dataclass(frozen=True, slots=True)
class App:
    """What all jobs of a launch share."""

    task_function: TaskFunction
    hydra_context: HydraContext
    singletons: Any


def pack_app(task_function: TaskFunction, hydra_context: HydraContext) -> bytes:
    """The shared part of the payloads. Raises TaskError if the task function cannot be sent."""
    app = App(task_function, hydra_context, Singleton.get_state())
    program = capture_program()
    for name in set_in_modules(program):
        log.warning(
            "%s is set in the part of %s that only the main program runs. A job imports the "
            "module anew and does not have it: pass it through the config.",
            name,
            program.script,
        )
    shared = {
        "program": program.to_json(),
        "globals": _dump_globals(task_function, program),
        "app": _dump(app, program, what=_APP),
    }
    return pickle.dumps(shared)


def pack_job(app: bytes, config: DictConfig) -> bytes:
    """One job's payload: plain data on the outside, which opens without the app's modules."""
    envelope = {
        **place_of(str(config.hydra.runtime.cwd)),
        "sys_path": own_search_path(),
        "arguments": arguments_of(config),
        "folder": OmegaConf.select(config, "hydra.runtime.output_dir"),
        "sweep_folder": OmegaConf.select(config, JOB_DIR_KEY),
        "config": _dump_config(config),
        **(pickle.loads(app) if app else {}),
    }
    return pickle.dumps(envelope)


def in_folder_of_record(request: TaskRequest) -> TaskRequest:
    """The job with the folders that its run has on record: its saved files are there."""
    known = request.identity
    if request.payload is None or request.target != TARGET or known is None or known.folder is None:
        return request
    envelope = pickle.loads(request.payload)  # this process made it
    asked = (envelope["folder"], envelope["sweep_folder"])
    if [*map(_normal, asked)] == [*map(_normal, (known.folder, known.sweep_folder))]:
        return request
    places = {"put_into": known.folder, "put_into_sweep": known.sweep_folder}
    return replace(request, payload=pickle.dumps(envelope | places))


def _normal(folder: str | None) -> str | None:
    return None if folder is None else os.path.normpath(Path(folder).absolute())


def warm_up() -> None:
    """Import what payloads need, in a process from which many jobs are then forked."""
    import tmgg.hydra_plugins.experiment  # noqa: F401 - the task function of most

    know_plugins()


def run(_config: DictConfig) -> dict[str, Any]:
    """The target in the job: run the job of the payload, and write its JobReturn."""
    context = current_run()
    if context is None or context.payload_path is None:
        raise TaskError(f"{TARGET} runs only in a job that has a payload file")
    envelope = pickle.loads(read_trusted(context.payload_path, own=True))
    arguments = envelope.get("arguments", ())
    program = enter(envelope, arguments, what="a Hydra app", loading=_loading)
    app: App = open_part(envelope["app"], what=_APP)
    config: DictConfig = open_part(envelope["config"], what="the config")
    put_into_recorded(config, envelope)
    job_return = _run_hydra_job(app, config, context)
    if job_return.status is JobStatus.COMPLETED and not context.is_first:
        return {}  # rank 0 returns the numbers
    sent = portable(job_return, program)
    leave_if_possible(sent, context.returns_dir, attempt=context.attempt, program=program)
    if job_return.status is JobStatus.FAILED:
        raise job_return._return_value
    metric = OmegaConf.select(config, "hydra.launcher.metric")
    return metrics_of(job_return.return_value, bare_name=metric or BARE_NAME)


def _run_hydra_job(app: App, config: DictConfig, context: RunContext) -> JobReturn:
    set_state(app.singletons)
    setup_globals()
    with read_write(config.hydra), open_dict(config.hydra):
        config.hydra.job.id = os.environ.get("TMGG_JOB_ID") or context.run_id
        if not context.is_first:
            config.hydra.output_subdir = None  # rank 0 writes these files
    with as_in_job(config, JOB_DIR_KEY, JOB_SUBDIR_KEY):
        script = getattr(sys.modules["__main__"], "__file__", None)
        announce(str(config.hydra.runtime.output_dir), script, sys.argv[1:])
        configure_as_launched(config)
    return run_job(
        task_function=ending_well(keeping_own_lines_apart(app.task_function)),
        config=config,
        job_dir_key=JOB_DIR_KEY,
        job_subdir_key=JOB_SUBDIR_KEY,
        hydra_context=app.hydra_context,
    )


def put_into_recorded(config: DictConfig, envelope: Mapping[str, Any]) -> None:
    """Set the output folders of the job and the sweep to those on record, if there are any."""
    if envelope.get("put_into") is None:
        return
    folder = Path(os.path.normpath(envelope["put_into"]))
    sweep = Path(envelope.get("put_into_sweep") or folder.parent)
    # If it is not below the sweep's folder, it is absolute: joined, it stays as it is.
    subfolder = folder.relative_to(sweep) if folder.is_relative_to(sweep) else folder
    with read_write(config.hydra.sweep), open_dict(config.hydra.sweep):
        config.hydra.sweep.dir = escape_interpolation(str(sweep))
        config.hydra.sweep.subdir = escape_interpolation(str(subfolder))
    launched, launched_sweep = envelope.get("folder"), envelope.get("sweep_folder")
    _forget(config, [launched, launched_sweep])
    if launched is not None and launched_sweep is not None:
        launched_subfolder = os.path.relpath(launched, launched_sweep)
        _put_in_cache(config, launched_subfolder, str(subfolder))


def _forget(config: DictConfig, folders: Sequence[str | None]) -> None:
    """Drop cached results of resolvers that contain these folders of the launch."""
    for found in OmegaConf.get_cache(config).values():
        for key, value in list(found.items()):
            if any(folder and folder in str(value) for folder in folders):
                del found[key]


def _put_in_cache(config: DictConfig, launched: str, recorded: str) -> None:
    """Replace a cached value that is the name of the job's folder (`hydra.sweep.subdir=${id}`)."""
    for found in OmegaConf.get_cache(config).values():
        for key, value in found.items():
            if value == launched:
                found[key] = recorded


@contextlib.contextmanager
def _loading() -> Iterator[None]:
    """Inside, the script is loaded: Hydra's plugins are known, and its app does not start."""
    know_plugins()
    with no_app_starts():
        yield


def _dump_globals(task_function: TaskFunction, program: Program) -> bytes:
    """The script's values that a job may not get by loading the script."""
    if not program.is_loadable:
        return b""  # they are sent with the functions that use them
    used = globals_for([task_function], program)
    return dump_globals(used, program, user="the task function")


def _dump_config(config: DictConfig) -> bytes:
    """Like `_dump`, but twice as fast if nothing has to be sent by value."""
    if not cloudpickle.list_registry_pickle_by_value():
        with contextlib.suppress(*PICKLING_ERRORS):
            pickled = pickle.dumps(config)
            if b"__main__" not in pickled:
                return pickled
    return _dump(config, capture_program(), what="the config")


def _dump(value: object, program: Program, *, what: str) -> bytes:
    try:
        return dumps(value, program)
    except PICKLING_ERRORS as error:
        words = text_of(error).rstrip(".")
        raise TaskError(
            f"{what} cannot be sent to a job: {words}. Open files, locks and connections inside "
            "the task function, not around it."
        ) from error
