"""One job of a Hydra app, packed where it is submitted and run where the backend says.

A Hydra task function may be a closure, so it travels as a pickle (cloudpickle) in the run's payload
file, which only its owner can read, together with its composed config and Hydra's own state: what
Hydra's `run_job` does in the job is then what it would have done at home.
"""

import contextlib
import os
import pickle
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cloudpickle
from hydra.core.plugins import Plugins
from hydra.core.singleton import Singleton
from hydra.core.utils import JobReturn, JobStatus, run_job, setup_globals
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig, open_dict, read_write

from tmgg.errors import TaskError
from tmgg.experiment_utils.context import RunContext, current_run
from tmgg.hydra_plugins.job_returns import PICKLING_ERRORS, leave, metrics_of, portable

TARGET = "tmgg.hydra_plugins.hydra_job:run"
JOB_DIR_KEY = "hydra.sweep.dir"
JOB_SUBDIR_KEY = "hydra.sweep.subdir"


@dataclass(frozen=True, slots=True)
class App:
    """What all jobs of a launch share."""

    task_function: TaskFunction
    hydra_context: HydraContext
    singletons: Any


def pack_app(task_function: TaskFunction, hydra_context: HydraContext) -> bytes:
    """The shared part of the payloads; raises TaskError when the task function cannot travel."""
    app = App(task_function, hydra_context, Singleton.get_state())
    return _dump(app, what="the Hydra app (its task function, callbacks or resolvers)")


def pack_job(app: bytes, config: DictConfig) -> bytes:
    """One job's payload; its outside is plain data, which opens before the app's modules do."""
    envelope = {
        "python": list(sys.version_info[:2]),
        "cwd": str(config.hydra.runtime.cwd),
        "sys_path": _own_sys_path(),
        "app": app,
        "config": _dump_config(config),
    }
    return pickle.dumps(envelope)


def warm_up() -> None:
    """Import what opening a payload imports; many jobs are then forked from this process."""
    import tmgg.cli.experiment  # noqa: F401 - the task function of most

    Plugins.instance()


def run(_config: DictConfig) -> dict[str, Any]:
    """Job-side entry, named by the task: run the job of the payload, leave its JobReturn behind."""
    context = current_run()
    if context is None or context.payload_path is None:
        raise TaskError(f"{TARGET} runs only in a job that has a payload file")
    envelope = pickle.loads(context.payload_path.read_bytes())
    _enter(envelope)
    app: App = pickle.loads(envelope["app"])
    config: DictConfig = pickle.loads(envelope["config"])
    job_return = _run_hydra_job(app, config, context)
    sent = portable(job_return)
    leave(sent, context.output_dir, attempt=context.attempt)
    for one in (job_return, sent):
        if one.status is JobStatus.FAILED:
            raise one._return_value
    return metrics_of(job_return.return_value)


def _run_hydra_job(app: App, config: DictConfig, context: RunContext) -> JobReturn:
    Singleton.set_state(app.singletons)
    setup_globals()
    with read_write(config.hydra.job), open_dict(config.hydra.job):
        config.hydra.job.id = os.environ.get("TMGG_JOB_ID") or context.run_id
    return run_job(
        task_function=app.task_function,
        config=config,
        job_dir_key=JOB_DIR_KEY,
        job_subdir_key=JOB_SUBDIR_KEY,
        hydra_context=app.hydra_context,
    )


def _enter(envelope: dict[str, Any]) -> None:
    """Make this process see what the submitting one saw: working directory and modules."""
    submitted, here = tuple(envelope["python"]), sys.version_info[:2]
    if submitted != here:
        raise TaskError(
            f"submitted with Python {submitted[0]}.{submitted[1]}, running on {here[0]}.{here[1]}: "
            "a Hydra app travels between equal versions only. Set slurm_python or "
            "slurm_setup_commands."
        )
    os.chdir(envelope["cwd"])
    sys.path.extend(path for path in envelope["sys_path"] if path not in sys.path)


def _own_sys_path() -> list[str]:
    # The interpreter's own folders are the job's matter; those of scripts and PYTHONPATH are not.
    prefixes = {sys.prefix, sys.base_prefix, sys.exec_prefix}
    absolute = [Path(path).absolute() for path in sys.path]
    return [
        str(path)
        for path in absolute
        if not any(path.is_relative_to(prefix) for prefix in prefixes)
    ]


def _dump_config(config: DictConfig) -> bytes:
    """As `_dump`; twice as fast, and the same, where nothing has to travel by value."""
    if not cloudpickle.list_registry_pickle_by_value():
        with contextlib.suppress(*PICKLING_ERRORS):
            pickled = pickle.dumps(config)
            if b"__main__" not in pickled:
                return pickled
    return _dump(config, what="the config")


def _dump(value: object, *, what: str) -> bytes:
    try:
        return bytes(cloudpickle.dumps(value))
    except PICKLING_ERRORS as error:
        raise TaskError(
            f"{what} cannot be sent to a job: {error}. Open files, locks, connections and the like "
            "inside the task function, not around it."
        ) from error
