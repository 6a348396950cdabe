"""For notebooks: results as a table of pandas."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from tmgg.errors import MissingExtraError
from tmgg.experiment_utils.cloud.runs import ExperimentResult

if TYPE_CHECKING:
    from pandas import DataFrame


def to_pandas(results: Sequence[ExperimentResult]) -> "DataFrame":
    """A row for each run: its config by dotted keys, status, time, metrics and what it used.

    The columns begin with `config.`, `metrics.` and `used.`; what a run has not is NaN or None.
    Raises MissingExtraError without pandas.
    """
    try:
        # Half a second; only who asks for a table has it.
        import pandas
    except ImportError as error:
        raise MissingExtraError("to_pandas needs pandas, which is not installed") from error
    return pandas.DataFrame([_row(result) for result in results])


def _row(result: ExperimentResult) -> dict[str, Any]:
    used = result.used
    return {
        "run_id": result.run_id,
        **_flat("config", result.config),
        "status": result.status,
        "failure": result.failure.kind if result.failure else None,
        "duration_seconds": result.duration_seconds,
        **{f"metrics.{name}": value for name, value in result.metrics.items()},
        "used.cpu_cores_mean": used.cpu_cores_mean if used else None,
        "used.memory_peak_bytes": used.memory_peak_bytes if used else None,
        "used.gpu_busy_mean_percent": used.gpu_busy_mean_percent if used else None,
    }


def _flat(prefix: str, value: Any) -> dict[str, Any]:
    """Mappings inside mappings as dotted keys; anything else as it is."""
    if not isinstance(value, dict) or not value:
        return {prefix: value}
    found: dict[str, Any] = {}
    for key, inside in value.items():
        found |= _flat(f"{prefix}.{key}", inside)
    return found
