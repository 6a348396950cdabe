"""What a model that is told the flip rate begins with, and what it needs."""

import pytest
import torch

from tmgg.denoising.graphs import SbmConfig, sample_sbm
from tmgg.denoising.noise_range import FlipRangeNoise, estimated_density, flip_evidence
from tmgg.denoising.oracle import edge_only_logits
from tmgg.errors import ConfigError
from tmgg.models import MODELS, RateReadout, build_model

NUMBERS = torch.arange(6)
NOISE = FlipRangeNoise(low=0.05, high=0.3)


def noisy_graphs() -> tuple[torch.Tensor, torch.Tensor]:
    adj_BNN = sample_sbm(SbmConfig(n=16), NUMBERS, seed=1).adj_BNN
    rate_B = NOISE.rates(NUMBERS, seed=1)
    return NOISE.corrupt(adj_BNN, NUMBERS, density=0.3, seed=1), rate_B


@pytest.mark.parametrize("name", list(MODELS))
def test_an_untrained_model_is_edge_only_with_each_graphs_own_density_and_rate(name: str) -> None:
    noisy_BNN, rate_B = noisy_graphs()
    density_B = estimated_density(noisy_BNN, rate_B)
    found_BNN = build_model(MODELS[name].config(k=4), RateReadout())(noisy_BNN, None, rate_B)
    for number in range(len(NUMBERS)):
        expected_NN = edge_only_logits(
            noisy_BNN[number],
            density=float(density_B[number]),
            evidence=flip_evidence(rate_B[number]),
        )
        torch.testing.assert_close(found_BNN[number], expected_NN, atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("name", list(MODELS))
def test_every_weight_gets_a_gradient(name: str) -> None:
    noisy_BNN, rate_B = noisy_graphs()
    torch.manual_seed(0)
    model = build_model(MODELS[name].config(k=4), RateReadout())
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(0.3 * torch.randn(parameter.shape))
    model(noisy_BNN, None, rate_B).square().sum().backward()
    assert [key for key, weight in model.named_parameters() if weight.grad is None] == []


def test_a_rate_that_was_not_given_is_asked_for() -> None:
    noisy_BNN, _ = noisy_graphs()
    model = build_model(MODELS["filter_bank"].config(k=4), RateReadout())
    with pytest.raises(ConfigError, match="needs the flip rate of each graph; give eps"):
        model(noisy_BNN)
