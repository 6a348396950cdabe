"""A sweep as a report has it: 2 learning rates x 2 widths x 3 seeds, two of which failed."""

from typing import Any

from tmgg.console.ranking import Ranking
from tmgg.experiment_utils.run_folder.failures import failure
from tmgg.experiment_utils.sampling.used import RunUse
from tmgg.report.held import Unit
from tmgg.report.model import Curve, Report, ReportCause, ReportRun, Span

BEGAN_S = 1_795_000_000.0
HOSTILE = "<script>alert(1)</script><img src=x onerror=alert(2)>'\"&\x1b[2J\u202e\x00"


def use(busy: float | None = 80.0) -> RunUse:
    return RunUse(
        hosts=["node1"],
        seconds=3600.0,
        cpu_seconds=7200.0,
        cpu_cores_mean=2.0,
        cpu_cores_peak=3.0,
        cpus_allotted=8,
        memory_mean_bytes=1 << 30,
        memory_peak_bytes=3 << 30,
        memory_allotted_bytes=32 << 30,
        gpus=[],
        gpu_busy_mean_percent=busy,
        gpu_memory_peak_bytes=None,
    )


def run(number: int, **changed: Any) -> ReportRun:
    overrides = {
        "lr": ("0.1", "0.001")[number % 2],
        "width": ("64", "256")[number // 2 % 2],
        "seed": str(number // 4),
    }
    begin = BEGAN_S + 100 * number
    values: dict[str, Any] = {
        "run_id": f"20261123-141503-9f2c01ab-{number}",
        "status": "completed",
        "title": " ".join(f"{key}={value}" for key, value in overrides.items()),
        "overrides": overrides,
        "metrics": {"val_loss": 0.5 + 0.01 * number, "accuracy": 0.9},
        "duration_s": 3600.0,
        "used": use(),
        "unit": Unit(gpus=2.0, cpus=8.0),
        "spans": [
            Span("queue", begin, begin + 60),
            Span("startup", begin + 60, begin + 420),
            Span("run", begin + 420, begin + 4020),
            Span("end", begin + 4020, begin + 4025),
        ],
        "curves": [Curve("val_loss", [(float(k), 1 / (k + 1)) for k in range(20)])],
    }
    return ReportRun(**values | changed)


def failed_run(number: int, message: str) -> ReportRun:
    begin = BEGAN_S + 100 * number
    return run(
        number,
        status="failed",
        failure=failure("user_error", message),
        metrics={},
        used=None,
        spans=[Span("startup", begin, begin + 36), Span("failed", begin + 36, begin + 1836)],
    )


def report(count: int = 12, *, message: str = "ValueError: boom\nTraceback: line 7") -> Report:
    runs = [run(number) for number in range(count - 2)]
    bad = [failed_run(number, message) for number in (count - 2, count - 1)]
    why = bad[0].failure
    assert why is not None
    return Report(
        title="lr_and_width 20261123-141503-9f2c01ab",
        runs=[*runs, *bad],
        ranking=Ranking("val_loss"),
        made_at=BEGAN_S,
        causes=[ReportCause(why, [each.run_id for each in bad])],
    )
