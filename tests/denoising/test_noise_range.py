"""Graphs that are flipped at rates of their own."""

import pytest
import torch

from tmgg.denoising.graphs import SbmConfig, sample_sbm
from tmgg.denoising.noise import FlipNoise
from tmgg.denoising.noise_range import (
    FlipRangeNoise,
    estimated_density,
    flip_at,
    flip_evidence,
    unbiased,
)
from tmgg.denoising.pairs import to_pairs
from tmgg.errors import ConfigError

CONFIG = SbmConfig(n=24)
NUMBERS = torch.arange(400)


def clean() -> torch.Tensor:
    return sample_sbm(CONFIG, NUMBERS, seed=3).adj_BNN


def test_each_graph_is_flipped_at_its_own_rate() -> None:
    noise = FlipRangeNoise(low=0.05, high=0.4)
    adj_BNN = clean()
    rate_B = noise.rates(NUMBERS, seed=3)
    noisy_BNN = noise.corrupt(adj_BNN, NUMBERS, density=CONFIG.density, seed=3)
    seen_B = to_pairs((noisy_BNN != adj_BNN).float()).mean(dim=-1)
    pairs = 24 * 23 / 2
    error_B = (seen_B - rate_B) / (rate_B * (1 - rate_B) / pairs).sqrt()
    assert 0.05 <= float(rate_B.min()) < 0.07
    assert 0.38 < float(rate_B.max()) <= 0.4
    assert abs(float(error_B.mean())) < 4 / 20
    assert 0.8 < float(error_B.std()) < 1.2


def test_a_range_of_one_rate_is_the_noise_of_that_rate() -> None:
    adj_BNN = clean()
    one = FlipRangeNoise(low=0.1, high=0.1).corrupt(adj_BNN, NUMBERS, density=0.3, seed=9)
    assert torch.equal(one, FlipNoise(eps=0.1).corrupt(adj_BNN, NUMBERS, density=0.3, seed=9))
    found, known = flip_evidence(torch.tensor(0.1)), FlipNoise(eps=0.1).evidence(density=0.3)
    assert float(found.intercept) == pytest.approx(known.intercept)
    assert float(found.slope) == pytest.approx(known.slope)


def test_without_its_bias_the_noisy_graph_is_the_clean_one_on_average() -> None:
    adj_BNN = clean()[:1].expand(20_000, -1, -1)
    rate_B = torch.full((20_000,), 0.3)
    noisy_BNN = flip_at(adj_BNN, torch.arange(20_000), rate_B, seed=1)
    mean_NN = unbiased(noisy_BNN, rate_B).mean(dim=0)
    # A standard deviation of sqrt(.3 * .7) / .4 over 20,000 draws, 276 pairs.
    assert float((mean_NN - adj_BNN[0]).abs().max()) < 4.5 * 1.15 / 20_000**0.5
    density_B = estimated_density(noisy_BNN, rate_B)
    assert float(density_B.mean()) == pytest.approx(float(to_pairs(adj_BNN[:1]).mean()), abs=2e-3)


def test_the_estimate_of_a_density_is_never_certain() -> None:
    rate_B = torch.tensor([0.2, 0.2])
    extreme_BNN = torch.stack([torch.zeros(6, 6), torch.ones(6, 6) - torch.eye(6)])
    assert estimated_density(extreme_BNN, rate_B).tolist() == pytest.approx([1 / 30, 29 / 30])


@pytest.mark.parametrize(("low", "high"), [(0.0, 0.1), (0.2, 0.1), (0.1, 0.5)])
def test_rates_that_cannot_be_are_refused(low: float, high: float) -> None:
    with pytest.raises(ConfigError, match="flip rates must be above 0"):
        FlipRangeNoise(low=low, high=high)
