"""Noisy graphs with their clean originals, on which models are trained and tested."""

from dataclasses import dataclass

from torch import Tensor

from tmgg.denoising.graphs import SbmConfig
from tmgg.denoising.noise import NoiseConfig
from tmgg.denoising.noise_range import FlipRangeNoise, unbiased
from tmgg.denoising.spectral import Eigenpairs, top_eigenpairs


@dataclass(frozen=True, slots=True)
class NoisyGraphs:
    """Noisy graphs, and their clean originals."""

    noisy_BNN: Tensor
    adj_BNN: Tensor
    edge_probability_BNN: Tensor
    """P(A_ij = 1 | blocks), for the oracle; models never see it."""
    density: float
    """P(A_ij = 1) in the distribution that the graphs come from, for edge-only."""
    eigen: Eigenpairs | None = None
    """The eigenpairs that the model uses; None if they were not asked for."""
    rate_B: Tensor | None = None
    """The flip rate of each graph, if models get it; otherwise None."""

    def split(self, graphs: int) -> "list[NoisyGraphs]":
        """The same graphs in batches of `graphs` each."""
        parts = range(0, len(self.adj_BNN), graphs)
        return [self._part(slice(first, first + graphs)) for first in parts]

    def dealt(self, parts: int) -> "list[NoisyGraphs]":
        """The same graphs in at most `parts` batches, divided as among workers; none is empty."""
        if parts == 1:
            return [self]
        found = range(min(parts, len(self.adj_BNN)))
        return [self._part(slice(first, None, parts)) for first in found]

    def _part(self, which: slice) -> "NoisyGraphs":
        # The memory layout as if only these graphs had been drawn: sums depend on it.
        return NoisyGraphs(
            self.noisy_BNN[which].contiguous(),
            self.adj_BNN[which].contiguous(),
            self.edge_probability_BNN[which],
            self.density,
            None
            if self.eigen is None
            else Eigenpairs(*(item[which].contiguous() for item in self.eigen)),
            None if self.rate_B is None else self.rate_B[which],
        )


def draw_graphs(
    distribution: SbmConfig,
    noise: NoiseConfig | FlipRangeNoise,
    sample_B: Tensor,
    *,
    seed: int,
    k: int | None = None,
) -> NoisyGraphs:
    """The noisy graphs with these numbers in the list that belongs to `seed`, with k eigenpairs."""
    graphs, density = distribution.sample(sample_B, seed=seed), distribution.density
    noisy_BNN = noise.corrupt(graphs.adj_BNN, sample_B, density=density, seed=seed)
    rate_B = noise.rates(sample_B, seed=seed) if isinstance(noise, FlipRangeNoise) else None
    seen_BNN = noisy_BNN if rate_B is None else unbiased(noisy_BNN, rate_B)
    return NoisyGraphs(
        noisy_BNN,
        graphs.adj_BNN,
        graphs.edge_probability_BNN,
        density,
        None if k is None else top_eigenpairs(seen_BNN, k),
        rate_B,
    )
