"""Training ends at the step at which a number is none, before that step can reach the weights."""

import math
from pathlib import Path

from tmgg.errors import DivergedError
from tmgg.training.checkpoint import CheckpointFiles


def require_finite(what: str, value: float, *, step: int, output_dir: Path) -> None:
    """Raise DivergedError, with the best checkpoint from before, unless the value is a number."""
    if math.isfinite(value):
        return
    best = CheckpointFiles(output_dir).best
    raise DivergedError(
        f"training diverged at step {step}: {what} is {value}",
        checkpoint_path=str(best) if best.is_file() else None,
    )
