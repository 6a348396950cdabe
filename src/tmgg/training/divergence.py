"""Ends a training if a loss or a gradient is NaN or infinite, before it changes the weights."""

import math
from pathlib import Path

from tmgg.errors import DivergedError


def require_finite(what: str, value: float, *, step: int, best: Path | None) -> None:
    """Raise DivergedError, with this training's best checkpoint, if `value` is NaN or infinite.

    `best` is None if this training has none yet: the one in its folder may be another training's.
    """
    if math.isfinite(value):
        return
    raise DivergedError(
        f"training diverged at step {step}: {what} is {value}",
        checkpoint_path=None if best is None else str(best),
    )
