"""The true Bayes predictor P(A_ij = 1 | Y): blocks unknown, everything else about the model known.

Given the blocks z, pairs are independent. For a pair, z matters only in whether its two nodes share
a block. So P(z | Y) is proportional to P(z) exp(sum of d_ij over pairs in one block) with
d_ij = log P(Y_ij | same) - log P(Y_ij | different), and

    P(A_ij = 1 | Y) = q_ij P(A_ij = 1 | Y_ij, same) + (1 - q_ij) P(A_ij = 1 | Y_ij, different)

with q_ij = P(z_i = z_j | Y). For small graphs q is a sum over all partitions of the nodes.
"""

import functools
import itertools
import math
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from tmgg.denoising.graphs import SbmConfig
from tmgg.denoising.noise import Evidence
from tmgg.denoising.pairs import to_pairs

MOST_PARTITIONS = 30_000
"""The most partitions that are summed over; n = 12 with 2, 3 and 4 blocks has 21,637."""


@dataclass(frozen=True, slots=True)
class PairFacts:
    """What noisy graphs say about each pair by itself; float64, of shape (B, P)."""

    same_BP: Tensor
    """log P(Y_ij | nodes share a block) - log P(Y_ij | they do not)."""
    edge_if_same_BP: Tensor
    """P(A_ij = 1 | Y_ij, nodes share a block)."""
    edge_if_not_BP: Tensor
    """P(A_ij = 1 | Y_ij, nodes do not share a block)."""

    def edge_probability(self, share_BP: Tensor) -> Tensor:
        """P(A_ij = 1), if nodes share a block with probability `share_BP`."""
        return share_BP * self.edge_if_same_BP + (1.0 - share_BP) * self.edge_if_not_BP


def pair_facts(noisy_BNN: Tensor, config: SbmConfig, evidence: Evidence) -> PairFacts:
    """The facts about each pair that Bayes' rule needs."""
    ratio_BP = evidence.logits(0.0, to_pairs(noisy_BNN).double())
    seen = [_log_seen(ratio_BP, probability) for probability in (config.p_in, config.p_out)]
    edges = [
        torch.exp(_log(probability) + ratio_BP - log_seen_BP)
        for probability, log_seen_BP in zip((config.p_in, config.p_out), seen, strict=True)
    ]
    return PairFacts(seen[0] - seen[1], *edges)


def _log_seen(ratio_BP: Tensor, probability: float) -> Tensor:
    """Log P(Y_ij), up to a term that is the same for every edge probability."""
    return torch.logaddexp(
        _log(probability) + ratio_BP, _log(1.0 - probability).expand_as(ratio_BP)
    )


def _log(probability: float) -> Tensor:
    return torch.tensor(probability, dtype=torch.float64).log()


def partition_count(config: SbmConfig) -> int:
    """How many partitions of the nodes the distribution can draw, over all block counts."""
    return sum(_count(block_sizes(config.n, count)) for count in set(config.blocks))


def block_sizes(n: int, count: int) -> list[int]:
    """Sizes of `count` balanced blocks of `n` nodes."""
    sizes = [0] * count
    for node in range(n):
        sizes[node * count // n] += 1
    return sizes


def exact_share(facts: PairFacts, config: SbmConfig) -> Tensor:
    """P(nodes share a block | Y) of each pair, by summing over all partitions."""
    shared_MP, log_prior_M = _all_partitions(config.n, tuple(config.blocks))
    logits_BM = facts.same_BP @ shared_MP.mT + log_prior_M
    share_BP: Tensor = torch.softmax(logits_BM, dim=-1) @ shared_MP
    return share_BP


@functools.lru_cache(maxsize=4)
def _all_partitions(n: int, counts: tuple[int, ...]) -> tuple[Tensor, Tensor]:
    """Which pairs share a block in each partition, (M, P), and its log probability."""
    shared, log_prior = [], []
    for count in counts:
        sizes = block_sizes(n, count)
        shared += [_shared_pairs(blocks, n) for blocks in _partitions(n, sizes)]
        log_prior += [-math.log(len(counts) * _count(sizes))] * _count(sizes)
    return (
        torch.tensor(shared, dtype=torch.float64),
        torch.tensor(log_prior, dtype=torch.float64),
    )


def _count(sizes: list[int]) -> int:
    """Partitions of a set into unlabelled blocks of these sizes."""
    labelled = math.factorial(sum(sizes))
    for size, times in Counter(sizes).items():
        labelled //= math.factorial(size) ** times * math.factorial(times)
    return labelled


def _partitions(n: int, sizes: list[int]) -> Iterator[list[tuple[int, ...]]]:
    """Every partition once: the next block is always that of the first free node."""

    def rest(free: tuple[int, ...], left: tuple[int, ...]) -> Iterator[list[tuple[int, ...]]]:
        if not free:
            yield []
            return
        first, others = free[0], free[1:]
        for size in sorted(set(left)):
            place = left.index(size)
            for companions in itertools.combinations(others, size - 1):
                remaining = tuple(node for node in others if node not in companions)
                for more in rest(remaining, left[:place] + left[place + 1 :]):
                    yield [(first, *companions), *more]

    yield from rest(tuple(range(n)), tuple(size for size in sizes if size))


def _shared_pairs(blocks: list[tuple[int, ...]], n: int) -> list[bool]:
    block = {node: number for number, nodes in enumerate(blocks) for node in nodes}
    return [block[i] == block[j] for i in range(n) for j in range(i + 1, n)]
