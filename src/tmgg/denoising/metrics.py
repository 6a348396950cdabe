"""Scores of predictions, over node pairs i < j."""

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from tmgg.denoising.pairs import to_pairs


@dataclass(frozen=True, slots=True)
class PairScores:
    """Sums over pairs; adding two gives the scores of both sets together."""

    bce_sum: Tensor
    """Summed binary cross-entropy in nats; float64 scalar."""
    error_sum: Tensor
    """Wrong pairs; float64 scalar."""
    pairs: Tensor
    """Scored pairs; float64 scalar."""

    def __add__(self, other: "PairScores") -> "PairScores":
        return PairScores(
            self.bce_sum + other.bce_sum,
            self.error_sum + other.error_sum,
            self.pairs + other.pairs,
        )

    @classmethod
    def nothing(cls, device: torch.device | None = None) -> "PairScores":
        """The scores of no pairs, to which others are added."""
        return cls(*torch.zeros(3, dtype=torch.float64, device=device).unbind())

    def map(self, change: Callable[[Tensor], Tensor]) -> "PairScores":
        """Apply `change` to each sum, for example to sum over workers."""
        return PairScores(change(self.bce_sum), change(self.error_sum), change(self.pairs))

    @property
    def bce(self) -> float:
        """Mean cross-entropy per pair, -[A log p + (1 - A) log(1 - p)], in nats."""
        return float(self.bce_sum / self.pairs)

    @property
    def edge_error(self) -> float:
        """Share of pairs where (p > 1/2) is not A."""
        return float(self.error_sum / self.pairs)


def score_pairs(logits_BNN: Tensor, adj_BNN: Tensor) -> PairScores:
    """Scores of predicted edge logits against clean graphs."""
    logits_BP, adj_BP = to_pairs(logits_BNN).double(), to_pairs(adj_BNN).double()
    bce_sum = F.binary_cross_entropy_with_logits(logits_BP, adj_BP, reduction="sum")
    error_sum = ((logits_BP > 0) != (adj_BP > 0.5)).sum()
    pairs = torch.tensor(adj_BP.numel(), dtype=torch.float64, device=adj_BP.device)
    return PairScores(bce_sum, error_sum.double(), pairs)


def mean_bce(logits_BNN: Tensor, adj_BNN: Tensor) -> Tensor:
    """Mean binary cross-entropy per pair: the training loss, differentiable, in nats."""
    return F.binary_cross_entropy_with_logits(to_pairs(logits_BNN), to_pairs(adj_BNN))


def gap_closed(*, model_bce: float, edge_only_bce: float, oracle_bce: float) -> float:
    """The part of the possible gain from graph structure that a model reaches: 0 none, 1 all.

    (BCE_edge_only - BCE_model) / (BCE_edge_only - BCE_oracle), comparable over noise levels and
    graph sizes. NaN if structure says nothing, so that the two references agree.
    """
    gap = edge_only_bce - oracle_bce
    return (edge_only_bce - model_bce) / gap if gap > 1e-9 else math.nan
