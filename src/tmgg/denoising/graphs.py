"""Stochastic block model graphs: the clean side of the denoising problem.

Holland, Laskey and Leinhardt, "Stochastic blockmodels: first steps" (Social Networks 5, 1983):
nodes fall into blocks, and a pair is joined with a probability that depends on its blocks only.
Here: the number of blocks K is uniform over `blocks`, sizes are balanced (node i of K blocks is
in block floor(i K / n)), nodes are then relabelled by a random permutation, and

    P(A_ij = 1 | z) = p_in if z_i = z_j else p_out,   A symmetric with a zero diagonal.
"""

import functools
from dataclasses import dataclass

import torch
from torch import Tensor

from tmgg.denoising.pairs import from_pairs, pair_count, to_pairs
from tmgg.denoising.philox import random_words, to_uniform
from tmgg.errors import ConfigError

_GRAPH_STREAM = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class SbmConfig:
    """A distribution over graphs."""

    n: int = 32
    """Nodes per graph."""
    blocks: tuple[int, ...] = (2, 3, 4)
    """Block counts; each graph draws one of them, all equally likely. `[1]` is Erdős-Rényi."""
    p_in: float = 0.8
    """Probability of an edge within a block."""
    p_out: float = 0.05
    """Probability of an edge between blocks."""

    def __post_init__(self) -> None:
        if self.n < 2:
            raise ConfigError(f"data.n is {self.n}; a graph needs at least 2 nodes")
        if not self.blocks or not all(1 <= count <= self.n for count in self.blocks):
            raise ConfigError(
                f"data.blocks is {list(self.blocks)}; give one or more block counts "
                f"from 1 to data.n={self.n}"
            )
        for name in ("p_in", "p_out"):
            if not 0.0 <= getattr(self, name) <= 1.0:
                raise ConfigError(
                    f"data.{name} is {getattr(self, name)}; a probability must be from 0 to 1"
                )

    @property
    def density(self) -> float:
        """P(A_ij = 1) of a pair about which nothing is known: the mean over K and over pairs."""
        same = [_same_block_fraction(self.n, count) for count in self.blocks]
        same_mean = sum(same) / len(same)
        return self.p_in * same_mean + self.p_out * (1.0 - same_mean)

    def sample(self, sample_B: Tensor, *, seed: int) -> "GraphBatch":
        """The graphs with these numbers in the endless list that belongs to `seed`.

        A user's own distribution defines this method and `density`.
        """
        return sample_sbm(self, sample_B, seed=seed)


@dataclass(frozen=True, slots=True)
class GraphBatch:
    """Clean graphs with what generated them."""

    adj_BNN: Tensor
    """Adjacency matrices: float32, 0 or 1, symmetric, zero diagonal."""
    edge_probability_BNN: Tensor
    """P(A_ij = 1 | blocks): the probability for an observer who knows the blocks but not Y."""
    block_BN: Tensor
    """The hidden block of each node, int64."""


def sample_sbm(config: SbmConfig, sample_B: Tensor, *, seed: int) -> GraphBatch:
    """The graphs with these numbers (int64) in the endless list that belongs to `seed`."""
    count = 1 + config.n + pair_count(config.n)
    words = random_words(sample_B, count=count, seed=seed, stream=_GRAPH_STREAM)
    choice_B1, order_BN = words[:, :1], words[:, 1 : 1 + config.n]
    edge_BP = words[:, 1 + config.n :]
    block_BN = _draw_blocks(config, choice_B1, order_BN)
    probability_BNN = _edge_probability(config, block_BN)
    adj_BP = (to_uniform(edge_BP) < to_pairs(probability_BNN)).to(torch.float32)
    return GraphBatch(from_pairs(adj_BP, config.n), probability_BNN, block_BN)


def _draw_blocks(config: SbmConfig, choice_B1: Tensor, order_BN: Tensor) -> Tensor:
    """The block of each node, from random words."""
    choice_B = (to_uniform(choice_B1[:, 0]) * len(config.blocks)).long()
    block_BN = _blocks_in_order(config.n, tuple(config.blocks), choice_B.device)[choice_B]
    # Sorting random keys gives a random permutation: its value at a node is the node's old place.
    return block_BN.gather(1, order_BN.argsort(dim=-1, stable=True))


@functools.lru_cache(maxsize=64)
def _blocks_in_order(n: int, counts: tuple[int, ...], device: torch.device) -> Tensor:
    """The block of each node before nodes are renumbered, for each count of blocks; int64."""
    count_K1 = torch.tensor(counts, device=device)[:, None]
    return torch.arange(n, device=device) * count_K1 // n


def _edge_probability(config: SbmConfig, block_BN: Tensor) -> Tensor:
    small_BN = block_BN.to(torch.int16)  # smaller numbers are faster to compare
    same_BNN = small_BN[:, :, None] == small_BN[:, None, :]
    return same_BNN.to(torch.float32).mul_(config.p_in - config.p_out).add_(config.p_out)


def _same_block_fraction(n: int, count: int) -> float:
    """Share of the node pairs whose nodes fall in one block, for `count` balanced blocks."""
    sizes = [0] * count
    for i in range(n):
        sizes[i * count // n] += 1
    return sum(map(pair_count, sizes)) / pair_count(n)
