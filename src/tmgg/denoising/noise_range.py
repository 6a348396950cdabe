"""Flips with a different rate for each graph, and what a model can compute from the rate.

With a known rate eps, the mean of the matrix (Y - eps) / (1 - 2 eps) is the clean graph, for every
eps. The mean of Y over pairs gives the density of the graph.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from tmgg.denoising.noise import LEAST_RATE, Evidence
from tmgg.denoising.pairs import from_pairs, pair_count, to_pairs
from tmgg.denoising.philox import uniform
from tmgg.errors import ConfigError

_RATE_STREAM, _FLIP_STREAM = 2, 1


@dataclass(frozen=True, slots=True, kw_only=True)
class FlipRangeNoise:
    """Each graph has its own flip rate, uniform from `low` to `high`; models get it as input."""

    low: float = 0.02
    high: float = 0.25

    def __post_init__(self) -> None:
        if not LEAST_RATE <= self.low <= self.high < 0.5:
            raise ConfigError(
                f"noise.low is {self.low} and noise.high is {self.high}; flip rates must be above "
                "0 and below 0.5, and low must not be above high"
            )

    def corrupt(self, adj_BNN: Tensor, sample_B: Tensor, *, density: float, seed: int) -> Tensor:
        """See `Noise.corrupt`."""
        return flip_at(adj_BNN, sample_B, self.rates(sample_B, seed=seed), seed=seed)

    def rates(self, sample_B: Tensor, *, seed: int) -> Tensor:
        """The flip rate of each graph, (B,)."""
        u_B = uniform(sample_B, count=1, seed=seed, stream=_RATE_STREAM)[:, 0]
        return self.low + (self.high - self.low) * u_B

    def evidence(self, *, density: float) -> Evidence:
        """The evidence at the middle rate; for the rate of each graph use `flip_evidence`."""
        middle = torch.tensor(0.5 * (self.low + self.high))
        found = flip_evidence(middle)
        return Evidence(intercept=float(found.intercept), slope=float(found.slope))


def flip_at(adj_BNN: Tensor, sample_B: Tensor, rate_B: Tensor, *, seed: int) -> Tensor:
    """Flip the pairs of each graph with its rate; the same flips for the same numbers and seed."""
    n = adj_BNN.shape[-1]
    u_BP = uniform(sample_B, count=pair_count(n), seed=seed, stream=_FLIP_STREAM)
    adj_BP = to_pairs(adj_BNN)
    return from_pairs(torch.where(u_BP < rate_B[:, None], 1.0 - adj_BP, adj_BP), n)


def flip_evidence(rate: Tensor) -> Evidence:
    """The log likelihood ratio (2 Y - 1) log((1 - eps) / eps), for tensors of rates."""
    log_odds = torch.log1p(-rate) - torch.log(rate)
    return Evidence(intercept=-log_odds, slope=2.0 * log_odds)


def unbiased(noisy_BNN: Tensor, rate_B: Tensor) -> Tensor:
    """(Y - eps) / (1 - 2 eps) off the diagonal: its mean over flips is the clean graph."""
    n = noisy_BNN.shape[-1]
    rate_B11 = rate_B[:, None, None]
    off_diagonal_NN = 1.0 - torch.eye(n, device=noisy_BNN.device, dtype=noisy_BNN.dtype)
    return (noisy_BNN - rate_B11) / (1.0 - 2.0 * rate_B11) * off_diagonal_NN


def estimated_density(noisy_BNN: Tensor, rate_B: Tensor) -> Tensor:
    """The density of each clean graph from that of the noisy one, (B,), at least half a pair."""
    least = 0.5 / pair_count(noisy_BNN.shape[-1])
    mean_B = to_pairs(unbiased(noisy_BNN, rate_B)).mean(dim=-1)
    return mean_B.clamp(least, 1.0 - least)
