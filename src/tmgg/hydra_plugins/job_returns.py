"""JobReturns, which Hydra expects of jobs: the job writes one, the launcher reads or makes it."""

import contextlib
import logging
import pickle
import traceback
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import cloudpickle
from hydra.core.utils import JobReturn, JobStatus
from omegaconf import DictConfig, OmegaConf, open_dict, read_write

from tmgg.console.visible import visible
from tmgg.errors import ForeignFileError, TmggError
from tmgg.experiment_utils.cloud.runs import ExperimentResult, SpawnedTask
from tmgg.experiment_utils.error_text import text_of
from tmgg.experiment_utils.files.atomic_file import write_atomic
from tmgg.experiment_utils.files.leaving import leave as write_patiently
from tmgg.experiment_utils.files.trust import read_trusted
from tmgg.experiment_utils.job.metrics import (
    BARE_NAME,
    CHECKPOINT,
    name_lost,
    name_no_numbers,
    number_of,
    sort_returned,
)
from tmgg.experiment_utils.program.captured import Program
from tmgg.experiment_utils.program.pickling import PICKLING_ERRORS, dumps
from tmgg.experiment_utils.run_folder.paths import RunPaths
from tmgg.hydra_plugins.first_opening import FirstOpening, OpeningError
from tmgg.hydra_plugins.harmless_error import harmless
from tmgg.hydra_plugins.resolving import as_written

log = logging.getLogger(__name__)

MakeConfig = Callable[[], DictConfig]
"""Composes a job's config again. It is seldom called: most JobReturns have their config."""
_FILE = "job_return.{}.pkl"
_REPORTED = "_tmgg_reported"


@dataclass(frozen=True, slots=True)
class NotSent:
    """Replaces a return value that cannot be sent, and says why."""

    why: str


class UnusableReturnError(Exception):
    """A job's return value cannot be used here; the message says why."""


def portable(job_return: JobReturn, program: Program | None = None) -> JobReturn:
    """A copy that can be pickled, and opened in another process.

    A failed job's exception has its traceback in a note. A return value that cannot be sent is
    replaced by a NotSent, and the log says why. The launcher then uses the run's numbers instead.
    """
    if job_return.status is JobStatus.FAILED:
        sent = _portable_error(job_return._return_value, program)
        return replace(job_return, _return_value=sent)
    try:
        _dumps(job_return, program)  # the whole JobReturn, which nests deeper than its value
    except PICKLING_ERRORS as error:
        kind, why = type(job_return._return_value).__name__, text_of(error)
        log.warning(
            "the task function returned a %s, which cannot be sent back: %s. Its numbers are kept.",
            kind,
            why,
        )
        not_sent = NotSent(f"it is a {kind}, which cannot be sent back: {why}")
        return JobReturn(status=job_return.status, _return_value=not_sent)
    return job_return


def leave(
    job_return: JobReturn, output_dir: Path, *, attempt: int, program: Program | None = None
) -> None:
    """Job side: write a portable JobReturn into the run's folder, for its owner only."""
    pickled = _dumps(job_return, program)
    write_patiently(lambda: write_atomic(output_dir / _FILE.format(attempt), pickled), output_dir)


def leave_if_possible(
    job_return: JobReturn, output_dir: Path, *, attempt: int, program: Program | None = None
) -> None:
    """Like `leave`, but only warn if it cannot be written: the run's result has its numbers."""
    try:
        leave(job_return, output_dir, attempt=attempt, program=program)
    except OSError as error:
        log.warning("what the task function returned could not be written: %s", error)


def load(
    output_dir: Path, *, attempt: int, opening: FirstOpening | None = None
) -> JobReturn | None:
    """What that attempt of the job left in its run's folder; None if it left nothing.

    Several loads can share the child process of one `opening`.

    Raises UnusableReturnError if the value could not be sent, cannot be opened here, or the file is
    not this user's own.
    """
    path = output_dir / _FILE.format(attempt)
    try:
        pickled = read_trusted(path, own=True)
        with contextlib.nullcontext(opening) if opening else FirstOpening() as first:
            found = first.open(pickled)
    except FileNotFoundError:
        return None
    except OpeningError as error:
        raise UnusableReturnError(f"{path} is not opened here: {error}") from error
    except ForeignFileError as error:
        raise UnusableReturnError(str(error)) from error
    except (Exception, SystemExit) as error:  # unpickling runs code of any kind
        raise UnusableReturnError(
            f"{path} cannot be opened here: {type(error).__name__}: {text_of(error)}"
        ) from error
    if not isinstance(found, JobReturn):
        raise UnusableReturnError(f"{path} holds a {type(found).__name__}, not a JobReturn")
    if isinstance(found._return_value, NotSent):
        raise UnusableReturnError(found._return_value.why)
    return found


def metrics_of(returned: object, *, bare_name: str = BARE_NAME) -> dict[str, Any]:
    """The numbers in what a task function returned, by name, and its `checkpoint_path`.

    Values that are not numbers are named in the log, once: a Hydra app may return anything.
    """
    found = sort_returned(returned, bare_name=bare_name)
    name_no_numbers(found.no_numbers)
    name_lost(found.lost)
    checkpoint = found.checkpoint_path
    return {**found.metrics, **({CHECKPOINT: checkpoint} if checkpoint is not None else {})}


def of_results(
    configs: Sequence[MakeConfig], results: Sequence[ExperimentResult], *, metric: str | None = None
) -> list[JobReturn]:
    """The JobReturns that the jobs left. If a job left none, one is made that says why.

    With `metric`, names and numbers that a job returned are replaced by the number of that name:
    sweepers that optimise need one number.
    """
    with FirstOpening() as opening:
        left = [_of_result(*each, opening) for each in zip(configs, results, strict=True)]
    return left if metric is None else [_with_number(each, metric) for each in left]


def of_spawned(
    configs: Sequence[MakeConfig], spawned: Sequence[SpawnedTask | TmggError]
) -> list[JobReturn]:
    """For each job COMPLETED, with the handle as return value, if it was submitted, else FAILED."""
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
    """Note on a job's exception that the report at the end of the launch has shown it."""
    with contextlib.suppress(AttributeError):  # an exception whose class has no attributes
        error.__dict__[_REPORTED] = True


def is_reported(error: BaseException) -> bool:
    return _REPORTED in getattr(error, "__dict__", {})


def _of_result(config: MakeConfig, result: ExperimentResult, opening: FirstOpening) -> JobReturn:
    try:
        left = _left(result, opening)
    except UnusableReturnError as why:
        log.warning("the return value of run %s is missing: %s", result.run_id, why)
        if result.status == "completed":
            return completed(config(), _from_metrics(result))
        left = None
    wanted = JobStatus.COMPLETED if result.status == "completed" else JobStatus.FAILED
    if left is not None and left.status is wanted:
        if wanted is JobStatus.FAILED:
            left.return_value = harmless(left._return_value)
            mark_reported(left._return_value)
        return left
    if left is None and wanted is JobStatus.COMPLETED:
        log.warning(
            "the return value of run %s is missing: its job could not write it, or it was "
            "removed. The run's numbers replace it.",
            result.run_id,
        )
        return completed(config(), _from_metrics(result))
    # The JobReturn counts only if the verdict agrees: the job may have died after writing it.
    error = RuntimeError(visible(f"run {result.run_id} failed: {_why(result)}"))
    mark_reported(error)
    return _failed(config(), error)


def _left(result: ExperimentResult, opening: FirstOpening) -> JobReturn | None:
    if not result.output_path:
        return None
    return load(_artifacts(result), attempt=result.attempts, opening=opening)


def _from_metrics(result: ExperimentResult) -> object:
    """The run's numbers in the form of the return value that they replace."""
    numbers = dict(result.metrics)
    if list(numbers) == [BARE_NAME]:
        return numbers[BARE_NAME]
    in_order = [f"{BARE_NAME}_{index}" for index in range(len(numbers))]
    is_sequence = bool(numbers) and numbers.keys() == set(in_order)
    return [numbers[name] for name in in_order] if is_sequence else numbers


def _with_number(job_return: JobReturn, metric: str) -> JobReturn:
    returned = job_return._return_value
    if job_return.status is not JobStatus.COMPLETED:
        return job_return
    named = _value_named(metric, returned)
    if named is not None:
        job_return.return_value = named
    elif number_of(returned) is None:
        found = sort_returned(returned).metrics.get(metric)
        job_return.return_value = returned if found is None else found
    return job_return


def _value_named(name: str, returned: object) -> object:
    try:
        return returned[name] if isinstance(returned, Mapping) and name in returned else None
    except Exception:  # the class may be a user's own
        return None


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
    """An empty JobReturn. It takes `config` apart: a copy would cost milliseconds for each job."""
    names = [str(key) for key in config if key != "hydra"]
    task_config = OmegaConf.masked_copy(config, names)
    with read_write(config), open_dict(config):
        for name in names:
            del config[name]
    return JobReturn(
        overrides=as_written(config.hydra.overrides.task),
        cfg=task_config,
        hydra_cfg=config,
        working_dir=str(config.hydra.runtime.output_dir),
        task_name=str(config.hydra.job.name),
    )


def _dumps(value: object, program: Program | None) -> bytes:
    """Pickle a value; the script's objects by name, since the launcher has the script itself."""
    return bytes(cloudpickle.dumps(value)) if program is None else dumps(value, program)


def _portable_error(error: Exception, program: Program | None) -> Exception:
    try:
        # Some exceptions can be pickled but not opened: those with more arguments of __init__.
        copy = _opened(_dumps(error, program))
    except Exception:
        copy = RuntimeError(f"{type(error).__name__}: {text_of(error)}")
    remote = "".join(traceback.format_exception(error))
    copy.add_note(f"\nIn the job:\n{remote}")
    return copy


def _opened(pickled: bytes) -> Exception:
    """The exception. Raises if it cannot be opened or printed, as then in the launcher, too."""
    opened = pickle.loads(pickled)
    if not isinstance(opened, Exception):
        raise TypeError(f"it opens as a {type(opened).__name__}")
    str(opened)
    return opened
