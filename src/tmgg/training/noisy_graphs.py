"""Noisy graphs with what they were: what models are trained and tested on."""

from dataclasses import dataclass

from torch import Tensor

from tmgg.denoising.graphs import SbmConfig
from tmgg.denoising.noise import NoiseConfig
from tmgg.denoising.noise_range import FlipRangeNoise, unbiased
from tmgg.denoising.spectral import Eigenpairs, top_eigenpairs


@dataclass(frozen=True, slots=True)
class NoisyGraphs:
    """Graphs to denoise, and what they were."""

    noisy_BNN: Tensor
    adj_BNN: Tensor
    edge_probability_BNN: Tensor
    """P(A_ij = 1 | blocks), for the oracle; models never see it."""
    density: float
    """P(A_ij = 1) in the distribution that the graphs come from, for edge-only."""
    eigen: Eigenpairs | None = None
    """The eigenpairs that the model wants; None where nobody asked for them."""
    rate_B: Tensor | None = None
    """The flip rate of each graph, where models are told it."""

    def split(self, graphs: int) -> "list[NoisyGraphs]":
        """The same as batches of so many graphs each."""
        parts = range(0, len(self.adj_BNN), graphs)
        return [self._part(slice(first, first + graphs)) for first in parts]

    def dealt(self, parts: int) -> "list[NoisyGraphs]":
        """The same in so many batches, as graphs are dealt out to workers; none is empty."""
        if parts == 1:
            return [self]
        found = range(min(parts, len(self.adj_BNN)))
        return [self._part(slice(first, None, parts)) for first in found]

    def _part(self, which: slice) -> "NoisyGraphs":
        # As memory lies if these graphs alone had been drawn: sums depend on it.
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
    """The noisy graphs with these numbers in the list that `seed` names, with k eigenpairs each."""
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
