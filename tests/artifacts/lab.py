"""Experiments that leave files behind."""

from collections.abc import Mapping
from typing import Any

from tmgg.experiment_utils.job.context import current_run

WEIGHTS = b"\x00weights\xff" * 1000


def train(_config: Mapping[str, Any]) -> dict[str, Any]:
    run = current_run()
    assert run is not None
    folder = run.output_dir / "checkpoints"
    folder.mkdir()
    (folder / "last.ckpt").write_bytes(WEIGHTS)
    (run.output_dir / "metrics.csv").write_text("step,loss\n")
    return {"loss": 0.25, "checkpoint_path": str(folder / "last.ckpt")}
