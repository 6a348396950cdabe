"""Bounds of the Bayes predictor by sampling hidden blocks, for graphs too large to enumerate.

Annealed importance sampling (Neal, Statistics and Computing 11, 2001, arXiv:physics/9803008) leads
chains from the prior to the posterior and weighs them. Their joint prediction depends only on the
noisy graph, so its expected loss cannot be below that of the optimum.

The true blocks are an exact sample of the posterior. Chains from there back to the prior give them
a weight of the same kind (bidirectional Monte Carlo: Grosse, Ghahramani and Adams,
arXiv:1511.02543). With the true blocks as one more chain, the prediction knows too much, in
proportion to their weight, so its loss is below that of the optimum. If the two losses agree, the
optimum is known.

A move proposes to swap the blocks of two nodes, so block sizes do not change.
"""

import itertools
import math
from dataclasses import dataclass

import torch
from torch import Tensor

from tmgg.denoising.graphs import SbmConfig
from tmgg.denoising.pairs import from_pairs
from tmgg.denoising.posterior import PairFacts

CHAINS = 6
"""Chains for each graph and block count; as many start at the true blocks."""
TEMPERATURES = 400
SAMPLES = 160
"""The number of states in the average of a chain; between two are n proposed swaps."""


@dataclass(slots=True)
class _Chains:
    """States of many chains: M of them, each of one graph and one block count."""

    same_BNN: Tensor
    """The evidence that the nodes of a pair share a block."""
    graph_M: Tensor
    block_MN: Tensor
    energy_M: Tensor
    generator: torch.Generator

    @classmethod
    def start(cls, same_BNN: Tensor, graph_M: Tensor, block_MN: Tensor, seed: int) -> "_Chains":
        shared_MNN = (block_MN[:, :, None] == block_MN[:, None, :]).to(same_BNN.dtype)
        energy_M = 0.5 * (shared_MNN * same_BNN[graph_M]).sum(dim=(1, 2))
        generator = torch.Generator().manual_seed(seed)
        return cls(same_BNN, graph_M, block_MN.clone(), energy_M, generator)

    def move(self, times: int, *, power: float) -> None:
        """Propose `times` swaps to each chain, with the evidence multiplied by `power`."""
        chains, n = self.block_MN.shape
        row_M = torch.arange(chains)
        pair_2TM = torch.randint(n, (2, times, chains), generator=self.generator)
        chance_TM = torch.rand(times, chains, generator=self.generator)
        for i_M, j_M, chance_M in zip(*pair_2TM, chance_TM, strict=True):
            at_i_M, at_j_M = self.block_MN[row_M, i_M], self.block_MN[row_M, j_M]
            evidence_MN = self.same_BNN[self.graph_M, j_M] - self.same_BNN[self.graph_M, i_M]
            side_MN = (self.block_MN == at_i_M[:, None]).to(evidence_MN.dtype)
            side_MN -= (self.block_MN == at_j_M[:, None]).to(evidence_MN.dtype)
            # The sum wrongly contains the evidence of the pair i, j twice; both stay in two blocks.
            gain_M = torch.linalg.vecdot(side_MN, evidence_MN)
            gain_M -= 2.0 * self.same_BNN[self.graph_M, i_M, j_M]
            taken_M = (at_i_M != at_j_M) & (chance_M < torch.exp(power * gain_M))
            self.block_MN[row_M, i_M] = torch.where(taken_M, at_j_M, at_i_M)
            self.block_MN[row_M, j_M] = torch.where(taken_M, at_i_M, at_j_M)
            self.energy_M += gain_M * taken_M

    def anneal(self) -> Tensor:
        """Lead the chains from the prior to the posterior, and return their log weights."""
        weight_M = torch.zeros_like(self.energy_M)
        for before, power in itertools.pairwise(_powers()):
            weight_M += (power - before) * self.energy_M
            self.move(self._moves, power=power)
        return weight_M

    def anneal_back(self) -> Tensor:
        """Lead them from the posterior to the prior, `anneal` in reverse. Returns log weights."""
        weight_M = torch.zeros_like(self.energy_M)
        for before, power in reversed(list(itertools.pairwise(_powers()))):
            self.move(self._moves, power=power)
            weight_M += (power - before) * self.energy_M
        return weight_M

    @property
    def _moves(self) -> int:
        return max(1, self.block_MN.shape[1] // 2)

    def share(self) -> Tensor:
        """How often the nodes of each pair share a block, (M, P), over samples from here on."""
        n = self.block_MN.shape[1]
        row, column = torch.triu_indices(n, n, offset=1)
        total_MP = torch.zeros(len(self.block_MN), len(row))
        for _ in range(SAMPLES):
            self.move(n, power=1.0)
            total_MP += self.block_MN[:, row] == self.block_MN[:, column]
        return total_MP / SAMPLES


def _powers() -> list[float]:
    """Powers from prior to posterior, with small steps at first, where states change most."""
    return [(step / TEMPERATURES) ** 2 for step in range(TEMPERATURES + 1)]


@dataclass(frozen=True, slots=True)
class BothSides:
    """Two estimates of P(nodes share a block | Y) of each pair, (B, P)."""

    with_truth_BP: Tensor
    """Predicts at least as well as the optimum."""
    without_truth_BP: Tensor
    """Predicts at most as well as the optimum."""


def sampled_share(facts: PairFacts, config: SbmConfig, block_BN: Tensor, *, seed: int) -> BothSides:
    """The estimates for graphs with these facts and true blocks; the same at every call."""
    same_BNN, graphs = from_pairs(facts.same_BP.float(), config.n), len(facts.same_BP)
    graph_M = torch.arange(graphs).repeat_interleave(CHAINS)
    log_weights, shares = [], []
    for number, count in enumerate(config.blocks):
        generator = torch.Generator().manual_seed(seed + number)
        order_MN = torch.rand(len(graph_M), config.n, generator=generator).argsort(dim=-1)
        chains = _Chains.start(same_BNN, graph_M, order_MN * count // config.n, seed + 97 * number)
        log_weights.append(chains.anneal().view(graphs, CHAINS))
        shares.append(chains.share().view(graphs, CHAINS, -1))
    back = _Chains.start(same_BNN, graph_M, block_BN[graph_M], seed + 7)
    log_truth_B1 = back.anneal_back().view(graphs, CHAINS).logsumexp(dim=1, keepdim=True)
    true = _Chains.start(same_BNN, graph_M, block_BN[graph_M], seed + 8)
    true_share_B1P = true.share().view(graphs, CHAINS, -1).mean(dim=1, keepdim=True)
    log_weight_BC, share_BCP = torch.cat(log_weights, dim=1), torch.cat(shares, dim=1)
    return BothSides(
        _weighted(
            torch.cat([log_weight_BC, log_truth_B1 - math.log(CHAINS)], dim=1),
            torch.cat([share_BCP, true_share_B1P], dim=1),
        ),
        _weighted(log_weight_BC, share_BCP),
    )


def _weighted(log_weight_BC: Tensor, share_BCP: Tensor) -> Tensor:
    weight_BC = torch.softmax(log_weight_BC, dim=1)
    return torch.einsum("bc,bcp->bp", weight_BC, share_BCP).double()
