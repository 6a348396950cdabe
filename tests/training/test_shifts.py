"""Training on a mixture of graphs and rates, and what is reported of other graphs."""

from typing import Any

import pytest
import torch

from tmgg.denoising.graphs import SbmConfig
from tmgg.denoising.metrics import score_pairs
from tmgg.denoising.noise_range import FlipRangeNoise
from tmgg.errors import ConfigError
from tmgg.training.config import Settings, parse_settings
from tmgg.training.data import GraphSource, Shard, draw_graphs
from tmgg.training.experiment import run
from tmgg.training.loading import load

Config = dict[str, Any]
CPU = torch.device("cpu")
MEMBERS = [{}, {"size": 1.5}, {"blocks": [1], "p_in": 0.3}]
SHIFTS = [{"name": "like"}, {"name": "larger", "size": 2.0}, {"name": "flat", "blocks": [1]}]


@pytest.fixture
def mixed(small: Config) -> Config:
    return {
        **small,
        "data": {**small["data"], "name": "mixed", "members": MEMBERS, "test_graphs": 30},
        "noise": {"name": "flip_range", "low": 0.05, "high": 0.2},
        "shifts": SHIFTS,
    }


def batches(settings: Settings, shard: Shard) -> list[bytes]:
    source = GraphSource(settings)
    drawn = [
        source.validation_batch(index, shard=shard, device=CPU)
        for index in range(source.validation_batches(shard=shard))
    ]
    return [graph.numpy().tobytes() for batch in drawn for graph in batch.noisy_BNN.unbind()]


def test_members_are_variants_of_the_data(mixed: Config) -> None:
    data = parse_settings(mixed).data
    assert data.distributions == (
        SbmConfig(n=12, blocks=(2,)),
        SbmConfig(n=18, blocks=(2,)),
        SbmConfig(n=12, blocks=(1,), p_in=0.3),
    )
    density = sum(member.density for member in data.distributions) / 3
    assert data.density == pytest.approx(density)


def test_steps_take_the_members_in_turn_and_workers_share_each(mixed: Config) -> None:
    source = GraphSource(parse_settings(mixed))
    whole = [source.training_batch(step, shard=Shard(), device=CPU) for step in range(4)]
    assert [batch.noisy_BNN.shape[-1] for batch in whole] == [12, 18, 12, 12]
    part = source.training_batch(1, shard=Shard(rank=1, world_size=2), device=CPU)
    assert torch.equal(part.noisy_BNN, whole[1].noisy_BNN[1::2])
    assert part.rate_B is not None
    assert whole[1].rate_B is not None
    assert torch.equal(part.rate_B, whole[1].rate_B[1::2])


@pytest.mark.parametrize("world_size", [2, 3, 5])
def test_workers_together_validate_on_the_graphs_of_one(mixed: Config, world_size: int) -> None:
    settings = parse_settings(mixed)
    shards = [Shard(rank=rank, world_size=world_size) for rank in range(world_size)]
    together = [graph for shard in shards for graph in batches(settings, shard)]
    assert sorted(together) == sorted(batches(settings, Shard()))
    assert len(together) == 20


def test_a_mixture_trains_is_reported_by_shift_and_loads(mixed: Config) -> None:
    metrics = run(mixed)
    for name in ("like", "larger", "flat"):
        excess = metrics[f"shift_{name}_loss"] - metrics[f"shift_{name}_edge_only_loss"]  # type: ignore[operator]
        assert metrics[f"shift_{name}_excess"] == pytest.approx(excess)
    assert float(metrics["shift_like_gap_closed"]) > 0.05
    # Exact where graphs are small enough; where structure says nothing there is no gap.
    best = [float(metrics[f"shift_like_optimum_gap_closed_{side}"]) for side in ("low", "high")]
    assert 0.0 < best[0] == best[1] < 1.0
    assert "shift_flat_gap_closed" not in metrics
    assert metrics["shift_flat_edge_only_loss"] == pytest.approx(
        float(metrics["shift_flat_block_oracle_loss"])
    )
    denoise = load(str(metrics["checkpoint_path"]))
    noise = FlipRangeNoise(low=0.1, high=0.1)
    graphs = draw_graphs(SbmConfig(n=24, blocks=(2,)), noise, torch.arange(30), seed=(6 << 32) | 13)
    logits_BNN = torch.logit(denoise(graphs.noisy_BNN, eps=0.1), eps=1e-9)
    assert score_pairs(logits_BNN, graphs.adj_BNN).bce == pytest.approx(
        float(metrics["shift_larger_loss"]), abs=1e-5
    )
    with pytest.raises(ConfigError, match="needs the flip rate"):
        denoise(graphs.noisy_BNN)
    with pytest.raises(ConfigError, match=r"eps is 0\.7"):
        denoise(graphs.noisy_BNN, eps=0.7)


def test_other_graphs_with_the_noise_of_the_training_need_no_range(small: Config) -> None:
    metrics = run({**small, "shifts": [{"name": "larger", "size": 2.0}]})
    assert "shift_larger_gap_closed" in metrics


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"shifts": 3}, "shifts is 3; expected a list of groups of keys"),
        ({"shifts": [{"eps": 0.1}]}, "give each a name"),
        ({"shifts": [{"name": "A b"}]}, "shifts has the name 'A b'"),
        ({"shifts": [{"name": "a"}, {"name": "a"}]}, "two items of the same name"),
        ({"shifts": [{"name": "a", "eps": 0.5}]}, r"noise\.eps is 0\.5"),
        ({"shifts": [{"name": "a", "size": 0.1}]}, r"data\.n is 1"),
        ({"shifts": [{"name": "a", "size": 0.25}]}, "graph of the smallest n=3 nodes has 1 to 3"),
        (
            {"noise": {"name": "flip"}, "shifts": [{"name": "a", "eps": 0.2}]},
            "does not get the rate",
        ),
        ({"noise": {"name": "gaussian"}}, "the shift like flips pairs, but the noise is Gaussian"),
        ({"data": {"name": "mixed", "members": []}}, "data.members is empty"),
        (
            {"data": {"name": "mixed", "members": [{"length": 2}]}},
            "unknown key under 'data.members'",
        ),
        (
            {"data": {"name": "mixed", "members": [2]}},
            "data.members is 2; expected a group of keys",
        ),
        ({"data": {"name": "mixed", "protocol": "fixed_pair"}}, "data is a mixture"),
    ],
)
def test_mixtures_and_shifts_that_cannot_be_are_refused(
    mixed: Config, change: Config, message: str
) -> None:
    with pytest.raises(ConfigError, match=message):
        parse_settings({**mixed, **change})
