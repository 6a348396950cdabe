"""Reads checkpoints of built-in experiments. Errors name the file."""

import pickle
from pathlib import Path
from typing import Any

import torch

from tmgg.errors import ConfigError


def read_checkpoint(path: Path) -> Any:
    """A checkpoint's content, on the CPU. Executes nothing in it. Raises ConfigError if damaged."""
    try:
        return torch.load(path, map_location="cpu", weights_only=True)
    except (OSError, EOFError, RuntimeError, ValueError, pickle.UnpicklingError) as error:
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise ConfigError(
            f"checkpoint {path} cannot be read: {reason}; the file is damaged, or it is not a "
            "checkpoint. Give another one, for example best.ckpt beside last.ckpt"
        ) from error
