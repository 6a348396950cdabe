"""Several workers come to what one comes to; without Ray, by PyTorch's own processes."""

from pathlib import Path
from typing import Any

import pytest
import torch

from tests.training.trained import elsewhere, weights
from tests.training.workers import train_on_workers
from tmgg.models import MODELS
from tmgg.training.config import parse_settings
from tmgg.training.experiment import run

Config = dict[str, Any]


@pytest.mark.parametrize("world_size", [2, 3])
def test_several_workers_learn_what_one_worker_learns(
    small: Config, tmp_path: Path, world_size: int
) -> None:
    """Batches of 8 do not split evenly over 3 workers; the weighting makes up for it."""
    alone = run(small)
    settings = parse_settings(elsewhere(small, f"world{world_size}"))
    found, val_loss = train_on_workers(settings, world_size, left=tmp_path / "left")
    expected = weights(str(alone["checkpoint_path"]))
    for name, value in found.items():
        torch.testing.assert_close(value, expected[name], atol=1e-4, rtol=1e-3)
    assert val_loss == pytest.approx(alone["val_loss"], abs=1e-5)


@pytest.mark.long
@pytest.mark.parametrize("name", list(MODELS))
def test_every_model_learns_on_two_workers_what_it_learns_on_one(
    small: Config, tmp_path: Path, name: str
) -> None:
    chaotic = name in ("gnn", "graph_transformer")
    trainer = {**small["trainer"], "batch_parts": 2 if chaotic else 1}
    config = {**small, "model": {"name": name, "k": 4}, "trainer": trainer}
    alone = run(config)
    settings = parse_settings(elsewhere(config, "two"))
    found, val_loss = train_on_workers(settings, 2, left=tmp_path / "left")
    expected = weights(str(alone["checkpoint_path"]))
    for key, value in found.items():
        assert not chaotic or torch.equal(value, expected[key]), key
    assert val_loss == pytest.approx(alone["val_loss"], abs=1e-6)
