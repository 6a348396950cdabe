"""How much larger the optimum's loss is than that of the block oracle, which knows the blocks.

No predictor reaches the oracle, because blocks must be guessed. The optimum is the posterior mean
(`posterior`). It is exact for small graphs; for larger ones two samplers bound it (`annealing`).
"""

import math
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from tmgg.denoising.annealing import sampled_share
from tmgg.denoising.graphs import SbmConfig, sample_sbm
from tmgg.denoising.noise import NoiseConfig
from tmgg.denoising.oracle import block_oracle_logits, edge_only_logits
from tmgg.denoising.pairs import from_pairs, to_pairs
from tmgg.denoising.posterior import (
    MOST_PARTITIONS,
    PairFacts,
    exact_share,
    pair_facts,
    partition_count,
)

WIDEST_BRACKET = 0.1
"""Largest difference of the samplers, as a part of the gap between edge-only and block oracle. If
it is larger, they have not converged, and the optimum is not known."""
WIDEST_OF_WAY = 0.2
"""Largest bracket and standard error together, as a part of the way from edge-only to the optimum.
This way is short if the graph shows hardly anything."""
_EXACT_GRAPHS, _SAMPLED_GRAPHS = 2048, 128
_SEED = (5 << 32) | 2026  # separate graphs, not used for training, validation or test
_CHAIN_SEED = 11


@dataclass(frozen=True, slots=True, kw_only=True)
class BayesExcess:
    """Expected loss of the optimum minus that of the block oracle, in nats per pair."""

    low: float
    high: float
    standard_error: float
    """The standard error of each bound, over graphs."""
    gap: float
    """Expected loss of edge-only minus that of the block oracle; a scale for `low` and `high`."""
    method: Literal["exact", "sampled"]

    @property
    def is_known(self) -> bool:
        """Whether bounds and sampling error are close enough together to be one value."""
        bracket = self.high - self.low
        way = self.gap - self.high  # from edge-only to the optimum
        uncertain = math.hypot(bracket, self.standard_error)
        return bracket <= WIDEST_BRACKET * self.gap and uncertain <= WIDEST_OF_WAY * way


def is_enumerable(config: SbmConfig) -> bool:
    """Whether the partitions of the nodes are few enough to sum over all of them."""
    return partition_count(config) <= MOST_PARTITIONS


def exact_logits(noisy_BNN: Tensor, config: SbmConfig, noise: NoiseConfig) -> Tensor:
    """The logits of P(A_ij = 1 | Y), (B, N, N) in float64 on the CPU, if `is_enumerable`."""
    facts = pair_facts(noisy_BNN.cpu(), config, noise.evidence(density=config.density))
    probability_BP = facts.edge_probability(exact_share(facts, config))
    return from_pairs(torch.logit(probability_BP, eps=1e-12), config.n)


def bayes_excess(config: SbmConfig, noise: NoiseConfig) -> BayesExcess:
    """The optimum of this distribution; the same numbers at every call.

    Takes milliseconds if graphs are small enough to enumerate, else seconds to minutes.
    """
    exact = is_enumerable(config)
    number_B = torch.arange(_EXACT_GRAPHS if exact else _SAMPLED_GRAPHS)
    graphs = sample_sbm(config, number_B, seed=_SEED)
    evidence = noise.evidence(density=config.density)
    noisy_BNN = noise.corrupt(graphs.adj_BNN, number_B, density=config.density, seed=_SEED)
    facts = pair_facts(noisy_BNN, config, evidence)
    oracle_BNN = block_oracle_logits(
        noisy_BNN, edge_probability_BNN=graphs.edge_probability_BNN, evidence=evidence
    )
    oracle_BP = torch.sigmoid(to_pairs(oracle_BNN))
    edge_only_BNN = edge_only_logits(noisy_BNN.double(), density=config.density, evidence=evidence)
    gap_B = _divergence(oracle_BP, torch.sigmoid(to_pairs(edge_only_BNN)))
    low_B, high_B = _both_sides(facts, config, graphs.block_BN, oracle_BP, exact=exact)
    return BayesExcess(
        low=min(float(low_B.mean()), float(high_B.mean())),
        high=float(high_B.mean()),
        standard_error=float(high_B.std() / math.sqrt(len(high_B))),
        gap=float(gap_B.mean()),
        method="exact" if exact else "sampled",
    )


def _both_sides(
    facts: PairFacts, config: SbmConfig, block_BN: Tensor, oracle_BP: Tensor, *, exact: bool
) -> tuple[Tensor, Tensor]:
    def excess(share_BP: Tensor) -> Tensor:
        return _divergence(oracle_BP, facts.edge_probability(share_BP))

    if exact:
        known_B = excess(exact_share(facts, config))
        return known_B, known_B
    sides = sampled_share(facts, config, block_BN, seed=_CHAIN_SEED)
    return excess(sides.with_truth_BP), excess(sides.without_truth_BP)


def _divergence(oracle_BP: Tensor, other_BP: Tensor) -> Tensor:
    """Mean over pairs of KL(oracle || other): the loss beyond the oracle's, given blocks and Y.

    Clean pairs are drawn with the oracle's probabilities, so this is the expected difference of the
    two losses, without the randomness of the drawn pairs.
    """

    def term(true: Tensor, said: Tensor) -> Tensor:
        divergence: Tensor = torch.xlogy(true, true) - torch.xlogy(true, said)
        return divergence

    other_BP = other_BP.clamp(1e-12, 1.0 - 1e-12)
    both_BP: Tensor = term(oracle_BP, other_BP) + term(1.0 - oracle_BP, 1.0 - other_BP)
    return both_BP.mean(dim=-1)
