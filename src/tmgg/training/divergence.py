"""Training ends at the step at which a number is none, before that step can reach the weights."""

import math
from pathlib import Path

from tmgg.errors import DivergedError


def require_finite(what: str, value: float, *, step: int, best: Path | None) -> None:
    """Raise DivergedError, with this training's best checkpoint from before, unless it is a number.

    `best` is None as long as this training has none: its folder may have one of another training.
    """
    if math.isfinite(value):
        return
    raise DivergedError(
        f"training diverged at step {step}: {what} is {value}",
        checkpoint_path=None if best is None else str(best),
    )
