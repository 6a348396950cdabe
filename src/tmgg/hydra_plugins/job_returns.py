"""JobReturn, what Hydra expects of a job: left behind by the job, read or made by the launcher."""

import pickle
import traceback
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import cloudpickle
from hydra.core.utils import JobReturn, JobStatus
from omegaconf import DictConfig, OmegaConf, open_dict, read_write

from tmgg.errors import TaskError, TmggError
from tmgg.experiment_utils.atomic_file import write_atomic
from tmgg.experiment_utils.cloud.runs import ExperimentResult, SpawnedTask
from tmgg.experiment_utils.paths import RunPaths

PICKLING_ERRORS = (pickle.PicklingError, TypeError, AttributeError, ValueError, RecursionError)
"""What cloudpickle raises for an object that cannot travel."""
MakeConfig = Callable[[], DictConfig]
"""Composes a job's config again; most JobReturns bring their own."""
_FILE = "job_return.{}.pkl"
_REPORTED = "_tmgg_reported"


def portable(job_return: JobReturn) -> JobReturn:
    """A copy that survives being pickled and opened elsewhere.

    A failed job's exception carries its traceback in a note. A return value that cannot travel
    makes the copy a failed one: a result nobody can have is not a result.
    """
    if job_return.status is JobStatus.FAILED:
        return replace(job_return, _return_value=_portable_error(job_return._return_value))
    try:
        cloudpickle.dumps(job_return._return_value)
    except PICKLING_ERRORS as error:
        returned = type(job_return._return_value).__name__
        why = TaskError(
            f"the task function ended well but returned a {returned}, which cannot be sent back: "
            f"{error}. Return numbers, text, lists or mappings."
        )
        return replace(job_return, status=JobStatus.FAILED, _return_value=why)
    return job_return


def leave(job_return: JobReturn, output_dir: Path, *, attempt: int) -> None:
    """Job side: write a portable JobReturn into the run's folder, for its owner only."""
    write_atomic(output_dir / _FILE.format(attempt), cloudpickle.dumps(job_return))


def load(output_dir: Path, *, attempt: int) -> JobReturn | None:
    """What that attempt of the job left in its run's folder; None when it died before."""
    try:
        data = (output_dir / _FILE.format(attempt)).read_bytes()
    except FileNotFoundError:
        return None
    found = pickle.loads(data)
    assert isinstance(found, JobReturn)
    return found


def metrics_of(returned: object) -> dict[str, Any]:
    """The numbers in what a task function returned: one, several, or those of a mapping.

    A mapping's `checkpoint_path` comes along.
    """
    if isinstance(returned, Mapping):
        items: Iterable[tuple[str, object]] = ((str(key), item) for key, item in returned.items())
    elif isinstance(returned, list | tuple):
        items = ((f"value_{index}", item) for index, item in enumerate(returned))
    else:
        items = [("value", returned)]
    numbers = {name: number for name, item in items if (number := _number(item)) is not None}
    checkpoint = returned.get("checkpoint_path") if isinstance(returned, Mapping) else None
    return {**numbers, **({"checkpoint_path": checkpoint} if isinstance(checkpoint, str) else {})}


def of_results(
    configs: Sequence[MakeConfig], results: Sequence[ExperimentResult], *, metric: str | None = None
) -> list[JobReturn]:
    """The JobReturns the jobs left; one that says why where a job died before it could.

    With `metric` a mapping that a job returned is replaced by its value of that name: sweepers that
    optimise want a number.
    """
    left = [_of_result(config, result) for config, result in zip(configs, results, strict=True)]
    return left if metric is None else [_with_number(each, metric) for each in left]


def of_spawned(
    configs: Sequence[MakeConfig], spawned: Sequence[SpawnedTask | TmggError]
) -> list[JobReturn]:
    """COMPLETED with the handle as return value for each job that was submitted, else FAILED."""
    return [
        _failed(config(), task) if isinstance(task, TmggError) else completed(config(), task)
        for config, task in zip(configs, spawned, strict=True)
    ]


def completed(config: DictConfig, returned: object) -> JobReturn:
    """A JobReturn made here, for a job that was not waited for."""
    job_return = _blank(config)
    job_return.status = JobStatus.COMPLETED
    job_return.return_value = returned
    return job_return


def mark_reported(error: Exception) -> None:
    """Note on a job's exception that the report at the end of the launch has told it."""
    error.__dict__[_REPORTED] = True


def is_reported(error: BaseException) -> bool:
    return _REPORTED in getattr(error, "__dict__", {})


def _of_result(config: MakeConfig, result: ExperimentResult) -> JobReturn:
    left = load(_artifacts(result), attempt=result.attempts) if result.output_path else None
    wanted = JobStatus.COMPLETED if result.status == "completed" else JobStatus.FAILED
    if left is not None and left.status is wanted:
        if wanted is JobStatus.FAILED:
            mark_reported(left._return_value)
        return left
    # The job's own word counts only where the verdict agrees: it may have died after it spoke.
    error = RuntimeError(f"run {result.run_id} failed: {_why(result)}")
    mark_reported(error)
    return _failed(config(), error)


def _with_number(job_return: JobReturn, metric: str) -> JobReturn:
    returned = job_return._return_value
    if isinstance(returned, Mapping) and metric in returned:
        job_return.return_value = returned[metric]
    return job_return


def _why(result: ExperimentResult) -> str:
    if result.status == "completed":
        return "it ended well but left no JobReturn"
    return result.error_message or "for an unknown reason"


def _artifacts(result: ExperimentResult) -> Path:
    assert result.output_path is not None
    return RunPaths(Path(result.output_path).parent, result.run_id).artifacts


def _failed(config: DictConfig, error: Exception) -> JobReturn:
    job_return = _blank(config)
    job_return.status = JobStatus.FAILED
    job_return.return_value = error
    return job_return


def _blank(config: DictConfig) -> JobReturn:
    """Takes the config apart; copies of Hydra's part cost milliseconds for each of many jobs."""
    names = [str(key) for key in config if key != "hydra"]
    task_config = OmegaConf.masked_copy(config, names)
    with read_write(config), open_dict(config):
        for name in names:
            del config[name]
    return JobReturn(
        overrides=list(config.hydra.overrides.task),
        cfg=task_config,
        hydra_cfg=config,
        working_dir=str(config.hydra.runtime.output_dir),
        task_name=str(config.hydra.job.name),
    )


def _portable_error(error: Exception) -> Exception:
    try:
        # Exceptions whose __init__ takes more than a message pickle well and then do not open.
        copy: Exception = pickle.loads(cloudpickle.dumps(error))
    except Exception:
        copy = RuntimeError(f"{type(error).__name__}: {error}")
    remote = "".join(traceback.format_exception(error))
    copy.add_note(f"\nIn the job:\n{remote}")
    return copy


def _number(value: object) -> float | None:
    item = value.item() if hasattr(value, "item") and getattr(value, "size", 1) == 1 else value
    return item if isinstance(item, bool | int | float) else None
