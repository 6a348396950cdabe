"""A checkpoint is a function."""

from pathlib import Path
from typing import Any

import pytest
import torch

from tmgg.denoising.metrics import score_pairs
from tmgg.errors import ConfigError
from tmgg.models import MODELS
from tmgg.training.config import parse_settings
from tmgg.training.data import GraphSource, Shard
from tmgg.training.experiment import run
from tmgg.training.loading import load
from tmgg.training.module import TEST_SET_KEY

Config = dict[str, Any]


@pytest.mark.parametrize("name", list(MODELS))
def test_a_loaded_model_predicts_as_it_was_validated(small: Config, name: str) -> None:
    config = {**small, "model": {"name": name, "k": 4}, "noise": {"name": "digress"}}
    metrics = run(config)
    denoise = load(str(metrics["checkpoint_path"]))
    source, everything = GraphSource(parse_settings(config)), Shard()
    batches = [
        source.validation_batch(index, shard=everything, device=torch.device("cpu"))
        for index in range(source.validation_batches(shard=everything))
    ]
    noisy_BNN = torch.cat([batch.noisy_BNN for batch in batches])
    adj_BNN = torch.cat([batch.adj_BNN for batch in batches])
    probability_BNN = denoise(noisy_BNN)
    loss = score_pairs(torch.logit(probability_BNN, eps=1e-9), adj_BNN).bce
    assert loss == pytest.approx(metrics["val_loss"], abs=1e-5)
    torch.testing.assert_close(denoise(noisy_BNN[0].numpy()), probability_BNN[0])
    assert float(probability_BNN.diagonal(dim1=1, dim2=2).abs().max()) == 0.0


def test_a_loaded_model_knows_its_test_set(small: Config) -> None:
    config = {**small, "data": {**small["data"], "test_seed": 99, "test_graphs": 20}}
    trained = GraphSource(parse_settings(config))
    denoise = load(str(run(config)["checkpoint_path"]))
    assert denoise.settings.data == parse_settings(config).data
    graph, same = trained.test_graph(3), GraphSource(denoise.settings).test_graph(3)
    assert torch.equal(same.noisy_BNN, graph.noisy_BNN)


def test_a_checkpoint_that_kept_no_test_set_loads(small: Config, tmp_path: Path) -> None:
    saved = torch.load(str(run(small)["checkpoint_path"]), weights_only=True)
    del saved[TEST_SET_KEY]
    torch.save(saved, tmp_path / "earlier.ckpt")
    assert load(tmp_path / "earlier.ckpt").settings.data == parse_settings(small).data


def test_what_is_no_checkpoint_is_refused_in_words(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="is not a file"):
        load(tmp_path / "none.ckpt")
    torch.save({"state_dict": {}}, tmp_path / "other.ckpt")
    with pytest.raises(ConfigError, match="is not a checkpoint of a built-in experiment"):
        load(tmp_path / "other.ckpt")


@pytest.mark.parametrize(
    ("noisy", "message"),
    [
        (torch.zeros(3), "has shape"),
        (torch.zeros(3, 3), "has 3 nodes, but the model uses 4 eigenpairs"),
        (torch.zeros(0, 12, 12), "no graph"),
        (torch.tensor([[0.0, 1.0], [0.0, 0.0]]), "not symmetric"),
        (torch.eye(12), "diagonal"),
        (255 * (1 - torch.eye(12)), "values other than 0 and 1"),
        (torch.full((12, 12), torch.nan), "not a finite number"),
        (torch.full((12, 12), torch.inf), "not a finite number"),
    ],
)
def test_what_is_no_graph_is_refused_in_words(
    small: Config, noisy: torch.Tensor, message: str
) -> None:
    short = {**small, "trainer": {**small["trainer"], "steps": 2}}
    denoise = load(str(run(short)["checkpoint_path"]))
    with pytest.raises(ConfigError, match=message):
        denoise(noisy)
    with pytest.raises(ConfigError, match="eps is given, but the model was trained for one noise"):
        denoise(torch.zeros(12, 12), eps=0.3)


def test_a_damaged_checkpoint_is_named(small: Config, tmp_path: Path) -> None:
    whole = Path(str(run(small)["checkpoint_path"])).read_bytes()
    damaged = tmp_path / "damaged.ckpt"
    for content in (b"", b"no checkpoint", whole[: len(whole) // 2]):
        damaged.write_bytes(content)
        for use in (load, lambda path: run({**small, "resume_from": str(path)})):
            with pytest.raises(ConfigError, match=r"damaged.ckpt cannot be read"):
                use(damaged)
