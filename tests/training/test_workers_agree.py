"""Several workers come to what one comes to; without Ray, by PyTorch's own processes."""

from typing import Any

import pytest
import torch

from tests.training.trained import elsewhere, weights
from tmgg.models import MODELS
from tmgg.training.config import parse_settings
from tmgg.training.data import DenoisingData
from tmgg.training.experiment import run
from tmgg.training.loop import build_trainer
from tmgg.training.module import DenoiserModule, score_references
from tmgg.training.process import quiet_lightning

Config = dict[str, Any]


@pytest.mark.parametrize("world_size", [2, 3])
def test_several_workers_learn_what_one_worker_learns(small: Config, world_size: int) -> None:
    """Batches of 8 do not split evenly over 3 workers; the weighting makes up for it."""
    alone = run(small)
    settings = parse_settings(elsewhere(small, f"world{world_size}"))
    module = DenoiserModule(settings, score_references(settings))
    with quiet_lightning():
        trainer = build_trainer(settings, devices=world_size, strategy="ddp_spawn")
        trainer.fit(module, datamodule=DenoisingData(settings))
    expected = weights(str(alone["checkpoint_path"]))
    for name, value in module.state_dict().items():
        torch.testing.assert_close(value, expected[name], atol=1e-4, rtol=1e-3)
    assert float(trainer.callback_metrics["val_loss"]) == pytest.approx(alone["val_loss"], abs=1e-5)


@pytest.mark.long
@pytest.mark.parametrize("name", list(MODELS))
def test_every_model_learns_on_two_workers_what_it_learns_on_one(small: Config, name: str) -> None:
    chaotic = name in ("gnn", "graph_transformer")
    trainer = {**small["trainer"], "batch_parts": 2 if chaotic else 1}
    config = {**small, "model": {"name": name, "k": 4}, "trainer": trainer}
    alone = run(config)
    settings = parse_settings(elsewhere(config, "two"))
    module = DenoiserModule(settings, score_references(settings))
    with quiet_lightning():
        two = build_trainer(settings, devices=2, strategy="ddp_spawn")
        two.fit(module, datamodule=DenoisingData(settings))
    expected = weights(str(alone["checkpoint_path"]))
    for key, value in module.state_dict().items():
        assert not chaotic or torch.equal(value, expected[key]), key
    assert float(two.callback_metrics["val_loss"]) == pytest.approx(alone["val_loss"], abs=1e-6)
