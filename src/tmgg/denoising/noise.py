"""Ways to corrupt a graph, and what a corrupted value says about the true one.

Every noise here acts on each pair i < j independently. So all that an observation Y_ij says about
A_ij is its log likelihood ratio. For these noises it is linear in Y_ij:

    log P(Y_ij | A_ij = 1) - log P(Y_ij | A_ij = 0) = intercept + slope * Y_ij.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, Protocol

import torch
from torch import Tensor

from tmgg.denoising.pairs import from_pairs, to_pairs
from tmgg.denoising.philox import below, random_words, to_uniform, uniform
from tmgg.errors import ConfigError

_NOISE_STREAM = 1
LEAST_RATE = 1e-7
"""Uniform numbers have 24 bits: flips of a lower rate are hardly drawn, and their odds overflow."""


@dataclass(frozen=True, slots=True)
class Evidence:
    """The log likelihood ratio `intercept + slope * Y_ij` of an edge against no edge."""

    intercept: float | Tensor
    """If graphs differ, a tensor with a shape that broadcasts with Y."""
    slope: float | Tensor

    def logits(self, prior_logit: Tensor | float, noisy: Tensor) -> Tensor:
        """Bayes' rule in logits: posterior = prior + log likelihood ratio."""
        return prior_logit + self.intercept + self.slope * noisy


class Noise(Protocol):
    """Corrupts every pair independently."""

    def corrupt(self, adj_BNN: Tensor, sample_B: Tensor, *, density: float, seed: int) -> Tensor:
        """The noisy graphs Y, symmetric with zero diagonal; noise `sample_B` of family `seed`."""
        ...

    def evidence(self, *, density: float) -> Evidence:
        """What one noisy value says about the clean one; `density` is P(A_ij = 1)."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class FlipNoise:
    """Each pair is flipped (edge to no edge, no edge to edge) with the same probability."""

    eps: float = 0.1
    """Probability of a flip; above 0 and below 0.5. At 0.5 nothing of the graph would be left."""

    def __post_init__(self) -> None:
        if not LEAST_RATE <= self.eps < 0.5:
            raise ConfigError(
                f"noise.eps is {self.eps}; a flip rate must be above 0 and below 0.5, and "
                f"at least {LEAST_RATE:g}"
            )

    def corrupt(self, adj_BNN: Tensor, sample_B: Tensor, *, density: float, seed: int) -> Tensor:
        """See `Noise.corrupt`."""
        return _flip(adj_BNN, sample_B, added=self.eps, removed=self.eps, seed=seed)

    def evidence(self, *, density: float) -> Evidence:
        """See `Noise.evidence`."""
        return _flip_evidence(added=self.eps, removed=self.eps)


@dataclass(frozen=True, slots=True, kw_only=True)
class DigressNoise:
    """The discrete diffusion of DiGress at one time t, given by the signal that is kept.

    Vignac et al., "DiGress: Discrete denoising diffusion for graph generation" (ICLR 2023,
    arXiv:2209.14734), section 3 and eq. (2): Qbar_t = abar_t I + (1 - abar_t) 1 m', where m is
    uniform over {no edge, edge} or the marginal (1 - rho, rho).
    """

    alpha_bar: float = 0.8
    """Kept signal abar_t: above 0 (pure noise) and below 1 (no noise). Not a flip rate: with the
    uniform transition the flip rate is (1 - alpha_bar) / 2."""
    transition: Literal["uniform", "marginal"] = "marginal"
    """The distribution of pairs that are drawn again; `marginal` keeps the graphs' density."""

    def __post_init__(self) -> None:
        if not 0.0 < self.alpha_bar < 1.0:
            raise ConfigError(
                f"noise.alpha_bar is {self.alpha_bar}; it must be above 0 and below 1"
            )

    def corrupt(self, adj_BNN: Tensor, sample_B: Tensor, *, density: float, seed: int) -> Tensor:
        """See `Noise.corrupt`."""
        added, removed = self.flip_rates(density=density)
        return _flip(adj_BNN, sample_B, added=added, removed=removed, seed=seed)

    def evidence(self, *, density: float) -> Evidence:
        """See `Noise.evidence`."""
        added, removed = self.flip_rates(density=density)
        return _flip_evidence(added=added, removed=removed)

    def flip_rates(self, *, density: float) -> tuple[float, float]:
        """P(no edge becomes an edge) and P(an edge vanishes): off-diagonal entries of Qbar_t."""
        edge_share = 0.5 if self.transition == "uniform" else density
        if not 0.0 < edge_share < 1.0:
            raise ConfigError(
                f"the density of the graphs is {edge_share}, so noise.transition=marginal changes "
                "nothing; give other data, or noise.transition=uniform"
            )
        forgotten = 1.0 - self.alpha_bar
        return forgotten * edge_share, forgotten * (1.0 - edge_share)


@dataclass(frozen=True, slots=True, kw_only=True)
class GaussianNoise:
    """Y = A + sigma W with W symmetric, W_ij standard normal, zero diagonal."""

    sigma: float = 0.5
    """Standard deviation; above 0."""

    def __post_init__(self) -> None:
        if not 1e-6 <= self.sigma <= 1e6:
            raise ConfigError(
                f"noise.sigma is {self.sigma}; a standard deviation must be from 1e-6 to 1e6"
            )

    def corrupt(self, adj_BNN: Tensor, sample_B: Tensor, *, density: float, seed: int) -> Tensor:
        """See `Noise.corrupt`; Box and Muller (Ann. Math. Stat. 29, 1958) makes the normals."""
        adj_BP = to_pairs(adj_BNN)
        pairs = adj_BP.shape[-1]
        u = uniform(sample_B, count=2 * pairs, seed=seed, stream=_NOISE_STREAM)
        # 1 - u lies in (0, 1], so that its logarithm is finite.
        radius_BP = torch.sqrt(-2.0 * torch.log1p(-u[:, :pairs]))
        normal_BP = radius_BP * torch.cos(2.0 * math.pi * u[:, pairs:])
        return from_pairs(adj_BP + self.sigma * normal_BP, adj_BNN.shape[-1])

    def evidence(self, *, density: float) -> Evidence:
        """From log [N(y; 1, sigma^2) / N(y; 0, sigma^2)] = (2 y - 1) / (2 sigma^2)."""
        return Evidence(intercept=-0.5 / self.sigma**2, slope=1.0 / self.sigma**2)


NoiseConfig = FlipNoise | DigressNoise | GaussianNoise

NOISES: Mapping[str, type[NoiseConfig]] = {
    "flip": FlipNoise,
    "digress": DigressNoise,
    "gaussian": GaussianNoise,
}
"""The noises by name."""


def _flip(adj_BNN: Tensor, sample_B: Tensor, *, added: float, removed: float, seed: int) -> Tensor:
    adj_BP = to_pairs(adj_BNN)
    word_BP = random_words(sample_B, count=adj_BP.shape[-1], seed=seed, stream=_NOISE_STREAM)
    if added == removed:
        flipped_BP = below(word_BP, added)
    else:
        flipped_BP = to_uniform(word_BP) < added + (removed - added) * adj_BP
    noisy_BP = (flipped_BP != (adj_BP > 0.5)).to(torch.float32)
    return from_pairs(noisy_BP, adj_BNN.shape[-1])


def _flip_evidence(*, added: float, removed: float) -> Evidence:
    seen = math.log((1.0 - removed) / added)
    unseen = math.log(removed / (1.0 - added))
    return Evidence(intercept=unseen, slope=seen - unseen)
