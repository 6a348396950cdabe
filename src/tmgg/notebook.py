"""Shows in notebooks how runs get on, in one place, and results as a table of pandas."""

import html
import importlib
import sys
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from tmgg.console.live import LiveView
from tmgg.console.live_screen import render_screen
from tmgg.console.progress import SweepProgress
from tmgg.errors import MissingExtraError
from tmgg.experiment_utils.cloud.runs import ExperimentResult, OnUpdate, RunState

if TYPE_CHECKING:
    from pandas import DataFrame

WIDTH = 100
"""The width of a cell's output, in letters."""


def progress(total: int = 1) -> OnUpdate:
    """Show the progress of `total` runs: `run_sweep(configs, on_update=progress(len(configs)))`.

    In a notebook the lines stay in their place and change. Elsewhere new lines are written to
    standard error.
    """
    counted = SweepProgress(total=total)
    return ProgressLines(counted) if _is_notebook() else LiveView(counted)


class ProgressLines:
    """Lines in the output of a cell, which change with each new list of states."""

    def __init__(self, counted: SweepProgress) -> None:
        self._progress = counted
        self._started = time.monotonic()
        self._handle: Any = None

    def __call__(self, states: Sequence[RunState]) -> None:
        display: Any = importlib.import_module("IPython.display").display
        self._progress.observe(states)
        if self._handle is None:
            self._handle = display(self, display_id=True)
        else:
            self._handle.update(self)

    def __repr__(self) -> str:
        elapsed_s = time.monotonic() - self._started
        return render_screen(self._progress, {}, elapsed_s=elapsed_s, width=WIDTH).plain

    def _repr_html_(self) -> str:
        # Without colours: a notebook may be light or dark.
        return f"<pre>{html.escape(repr(self))}</pre>"


def _is_notebook() -> bool:
    """Whether a kernel runs this; IPython in a terminal has none."""
    ipython = sys.modules.get("IPython")
    shell = ipython.get_ipython() if ipython is not None else None
    return getattr(shell, "kernel", None) is not None


def to_pandas(results: Sequence[ExperimentResult]) -> "DataFrame":
    """A row for each run: its config by dotted keys, status, time, metrics and what it used.

    Columns begin with `config.`, `metrics.` and `used.`; a value that a run lacks is NaN or None.
    Raises MissingExtraError without pandas.
    """
    try:
        # The import takes half a second, so it is not at module level.
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
