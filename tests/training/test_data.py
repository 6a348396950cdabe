import dataclasses
from types import SimpleNamespace
from typing import cast

import pytest
import pytorch_lightning as pl
import torch

from tmgg.denoising.metrics import score_pairs
from tmgg.denoising.noise import NOISES
from tmgg.errors import ConfigError
from tmgg.models import MODELS, EvidenceReadout, build_model
from tmgg.training.config import Settings, parse_settings
from tmgg.training.data import DenoisingData, GraphSource, Shard

CPU = torch.device("cpu")
WHOLE = Shard()
SETTINGS = parse_settings(
    {"data": {"n": 8, "validation_graphs": 10}, "model": {"k": 2}, "trainer": {"batch_size": 7}}
)


def training(settings: Settings, step: int, shard: Shard = WHOLE) -> torch.Tensor:
    return GraphSource(settings).training_batch(step, shard=shard, device=CPU).noisy_BNN


def validation(settings: Settings, shard: Shard = WHOLE) -> torch.Tensor:
    source = GraphSource(settings)
    batches = range(source.validation_batches(shard=shard))
    drawn = [source.validation_batch(index, shard=shard, device=CPU) for index in batches]
    return torch.cat([batch.noisy_BNN for batch in drawn])


def as_bytes(graphs_BNN: torch.Tensor) -> list[bytes]:
    return [graph.numpy().tobytes() for graph in graphs_BNN.unbind()]


def interleaved(parts: list[torch.Tensor]) -> torch.Tensor:
    whole_BNN = torch.empty(sum(map(len, parts)), *parts[0].shape[1:])
    for rank, part_BNN in enumerate(parts):
        whole_BNN[rank :: len(parts)] = part_BNN
    return whole_BNN


@pytest.mark.parametrize("world_size", [1, 2, 3, 7])
def test_workers_together_see_exactly_the_graphs_one_worker_sees(world_size: int) -> None:
    shards = [Shard(rank=rank, world_size=world_size) for rank in range(world_size)]
    together_BNN = interleaved([training(SETTINGS, 5, shard) for shard in shards])
    assert torch.equal(together_BNN, training(SETTINGS, 5))
    together_BNN = interleaved([validation(SETTINGS, shard) for shard in shards])
    assert torch.equal(together_BNN, validation(SETTINGS))


@pytest.mark.parametrize("parts", [1, 2, 3])
def test_parts_of_a_batch_are_those_of_so_many_workers(parts: int) -> None:
    source = GraphSource(SETTINGS, eigenpairs=True)
    dealt = source.training_batch(2, shard=WHOLE, device=CPU).dealt(parts)
    for rank, part in enumerate(dealt):
        shard = Shard(rank=rank, world_size=parts)
        own = source.training_batch(2, shard=shard, device=CPU)
        assert torch.equal(part.noisy_BNN, own.noisy_BNN)
        assert torch.equal(part.adj_BNN, own.adj_BNN)
        assert part.eigen is not None
        assert own.eigen is not None
        assert torch.equal(part.eigen.vector_BNK, own.eigen.vector_BNK)
    assert len(dealt) == parts


def test_every_step_has_new_graphs_and_the_same_step_the_same() -> None:
    assert torch.equal(training(SETTINGS, 3), training(SETTINGS, 3))
    drawn = [graph for step in range(4) for graph in as_bytes(training(SETTINGS, step))]
    assert len(set(drawn)) == len(drawn) == 4 * 7


def test_the_seed_changes_the_training_graphs_and_not_the_validation_set() -> None:
    other = dataclasses.replace(SETTINGS, seed=1)
    assert not torch.equal(training(SETTINGS, 0), training(other, 0))
    assert torch.equal(validation(SETTINGS), validation(other))


def test_validation_graphs_are_never_trained_on_even_with_equal_seeds() -> None:
    settings = dataclasses.replace(SETTINGS, seed=SETTINGS.data.validation_seed)
    seen = {graph for step in range(20) for graph in as_bytes(training(settings, step))}
    assert not seen & set(as_bytes(validation(settings)))


@pytest.mark.parametrize("noise", list(NOISES))
@pytest.mark.parametrize("model", list(MODELS))
def test_everything_is_computed_on_the_device_asked_for(noise: str, model: str) -> None:
    """PyTorch's `meta` device computes shapes only and refuses to mix with CPU tensors."""
    meta = torch.device("meta")
    settings = parse_settings({"noise": {"name": noise}, "model": {"name": model}})
    batch = GraphSource(settings).training_batch(0, shard=WHOLE, device=meta)
    evidence = settings.noise.evidence(density=settings.data.density)
    readout = EvidenceReadout(density=settings.data.density, evidence=evidence)
    logits_BNN = build_model(settings.model, readout).to(meta)(batch.noisy_BNN)
    assert logits_BNN.shape == (64, 32, 32)
    assert score_pairs(logits_BNN, batch.adj_BNN).bce_sum.device == meta


def test_a_fixed_pair_is_the_same_at_every_step_and_in_validation() -> None:
    settings = parse_settings(
        {
            "data": {"n": 8, "protocol": "fixed_pair"},
            "model": {"k": 2},
            "trainer": {"batch_size": 1},
        }
    )
    assert training(settings, 0).shape == (1, 8, 8)
    assert torch.equal(training(settings, 0), training(settings, 9))
    assert torch.equal(training(settings, 0), validation(settings))
    other = dataclasses.replace(settings, data=dataclasses.replace(settings.data, pair_seed=1))
    assert not torch.equal(training(settings, 0), training(other, 0))


@pytest.mark.parametrize(
    ("workers", "message"),
    [
        (8, "trainer.batch_size is 7, .* 8 workers"),
        (6, "data.validation_graphs is 5, .* 6 workers"),
    ],
)
def test_a_split_that_leaves_a_worker_without_graphs_is_refused(workers: int, message: str) -> None:
    data = dataclasses.replace(SETTINGS.data, validation_graphs=5)
    graphs = DenoisingData(dataclasses.replace(SETTINGS, data=data))
    graphs.trainer = cast(pl.Trainer, SimpleNamespace(global_rank=0, world_size=workers))
    with pytest.raises(ConfigError, match=message):
        graphs.setup("fit")


@pytest.mark.parametrize("kind", ["validation_graphs", "test_graphs"])
def test_each_worker_has_graphs_of_a_mixture_before_the_training(kind: str) -> None:
    config = {"data": {"name": "mixed", "members": [{}, {"size": 0.75}, {"size": 1.25}]}}

    def setup(graphs: int) -> None:
        settings = parse_settings({"data": {**config["data"], kind: graphs}})
        data = DenoisingData(settings)
        data.trainer = cast(pl.Trainer, SimpleNamespace(global_rank=0, world_size=2))
        data.setup("fit")

    with pytest.raises(ConfigError, match=rf"data.{kind} is 3, .* 2 workers.* at least 4"):
        setup(3)
    setup(4)
