import math
import statistics

import pytest
import torch

from tmgg.denoising.graphs import SbmConfig, sample_sbm
from tmgg.denoising.noise import (
    DigressNoise,
    FlipNoise,
    GaussianNoise,
    NoiseConfig,
)
from tmgg.denoising.pairs import to_pairs
from tmgg.errors import ConfigError

CONFIG = SbmConfig(n=32)
DENSITY = CONFIG.density
IDS = torch.arange(400)
NOISES: list[NoiseConfig] = [
    FlipNoise(eps=0.1),
    DigressNoise(alpha_bar=0.7, transition="uniform"),
    DigressNoise(alpha_bar=0.7, transition="marginal"),
    GaussianNoise(sigma=0.5),
]


def clean_and_noisy(noise: NoiseConfig, *, seed: int = 1) -> tuple[torch.Tensor, torch.Tensor]:
    adj_BNN = sample_sbm(CONFIG, IDS, seed=seed).adj_BNN
    return adj_BNN, noise.corrupt(adj_BNN, IDS, density=DENSITY, seed=seed)


def change_rates(noise: NoiseConfig) -> tuple[float, float]:
    adj_BNN, noisy_BNN = clean_and_noisy(noise)
    adj_BP, noisy_BP = to_pairs(adj_BNN), to_pairs(noisy_BNN)
    return float(noisy_BP[adj_BP == 0].mean()), float((1 - noisy_BP[adj_BP == 1]).mean())


@pytest.mark.parametrize("noise", NOISES, ids=repr)
def test_noisy_graphs_are_symmetric_with_an_empty_diagonal(noise: NoiseConfig) -> None:
    _, noisy_BNN = clean_and_noisy(noise)
    assert torch.equal(noisy_BNN, noisy_BNN.mT)
    assert float(noisy_BNN.diagonal(dim1=1, dim2=2).abs().sum()) == 0.0


@pytest.mark.parametrize("eps", [0.01, 0.1, 0.3])
def test_flip_noise_flips_both_ways_at_its_rate(eps: float) -> None:
    added, removed = change_rates(FlipNoise(eps=eps))
    assert added == pytest.approx(eps, abs=0.005)
    assert removed == pytest.approx(eps, abs=0.005)


def test_uniform_digress_noise_is_flip_noise_of_half_the_forgotten_share() -> None:
    digress, flip = DigressNoise(alpha_bar=0.7, transition="uniform"), FlipNoise(eps=0.15)
    assert digress.flip_rates(density=DENSITY) == pytest.approx((0.15, 0.15))
    assert torch.equal(clean_and_noisy(digress)[1], clean_and_noisy(flip)[1])


def test_marginal_digress_noise_has_its_rates_and_keeps_the_density() -> None:
    noise = DigressNoise(alpha_bar=0.7, transition="marginal")
    added, removed = change_rates(noise)
    assert added == pytest.approx(0.3 * DENSITY, abs=0.005)
    assert removed == pytest.approx(0.3 * (1 - DENSITY), abs=0.005)
    _, noisy_BNN = clean_and_noisy(noise)
    assert float(to_pairs(noisy_BNN).mean()) == pytest.approx(DENSITY, abs=0.01)


def test_gaussian_noise_is_standard_normal_times_sigma() -> None:
    adj_BNN, noisy_BNN = clean_and_noisy(GaussianNoise(sigma=0.5))
    normal = to_pairs(noisy_BNN - adj_BNN).double().flatten() / 0.5
    assert float(normal.mean()) == pytest.approx(0.0, abs=0.01)
    assert float(normal.std()) == pytest.approx(1.0, abs=0.01)
    assert float((normal**4).mean()) == pytest.approx(3.0, abs=0.1)
    assert float((normal.abs() < 1).double().mean()) == pytest.approx(0.6827, abs=0.005)


def test_noise_is_independent_of_the_graph_it_falls_on() -> None:
    adj_BNN, noisy_BNN = clean_and_noisy(GaussianNoise(sigma=1.0))
    pair = torch.stack([to_pairs(adj_BNN).flatten(), to_pairs(noisy_BNN - adj_BNN).flatten()])
    assert abs(float(torch.corrcoef(pair)[0, 1])) < 0.01


@pytest.mark.parametrize("noise", NOISES[:3], ids=repr)
def test_evidence_is_the_measured_log_likelihood_ratio_of_flips(noise: NoiseConfig) -> None:
    added, removed = change_rates(noise)
    evidence = noise.evidence(density=DENSITY)
    seen, unseen = evidence.intercept + evidence.slope, evidence.intercept
    assert seen == pytest.approx(math.log((1 - removed) / added), abs=0.06)
    assert unseen == pytest.approx(math.log(removed / (1 - added)), abs=0.06)


def test_evidence_of_gaussian_noise_is_the_ratio_of_its_densities() -> None:
    evidence = GaussianNoise(sigma=0.4).evidence(density=DENSITY)
    for y in (-1.0, 0.0, 0.3, 2.0):
        one, zero = (statistics.NormalDist(mean, 0.4).pdf(y) for mean in (1.0, 0.0))
        ratio = math.log(one / zero)
        assert evidence.intercept + evidence.slope * y == pytest.approx(ratio)


@pytest.mark.parametrize(
    ("cls", "values", "message"),
    [
        (FlipNoise, {"eps": 0.0}, "noise.eps is 0.0"),
        (FlipNoise, {"eps": 0.5}, "noise.eps is 0.5"),
        (DigressNoise, {"alpha_bar": 1.0}, "noise.alpha_bar is 1.0"),
        (GaussianNoise, {"sigma": 0.0}, "noise.sigma is 0.0"),
        (GaussianNoise, {"sigma": math.inf}, "noise.sigma is inf"),
    ],
)
def test_noise_that_says_everything_or_nothing_is_refused(
    cls: type[NoiseConfig], values: dict[str, float], message: str
) -> None:
    with pytest.raises(ConfigError, match=message):
        cls(**values)  # type: ignore[arg-type]
