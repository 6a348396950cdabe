"""What a training wrote, and where another one writes."""

from pathlib import Path
from typing import Any

import torch

Config = dict[str, Any]


def weights(path: str | Path) -> dict[str, torch.Tensor]:
    state: dict[str, torch.Tensor] = torch.load(path, weights_only=True)["state_dict"]
    return state


def elsewhere(config: Config, name: str) -> Config:
    return {**config, "output_dir": str(Path(config["output_dir"]).with_name(name))}
