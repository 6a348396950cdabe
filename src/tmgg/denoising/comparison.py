"""Compares a model with its references on the same graphs, with standard errors over graphs."""

import math
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from tmgg.denoising.pairs import to_pairs

_LOSSES = 4
_PRODUCTS = _LOSSES * (_LOSSES + 1) // 2
_ERROR = 1 + _LOSSES + _PRODUCTS


def graph_losses(logits_BNN: Tensor, adj_BNN: Tensor) -> Tensor:
    """Mean cross-entropy over the pairs of each graph, in nats; float64, (B,)."""
    logits_BP, adj_BP = to_pairs(logits_BNN).double(), to_pairs(adj_BNN).double()
    loss_BP = F.binary_cross_entropy_with_logits(logits_BP, adj_BP, reduction="none")
    return loss_BP.mean(dim=-1)


@dataclass(frozen=True, slots=True)
class Comparison:
    """Sums over graphs: losses of model, edge-only, block oracle and optimum, and their products.

    The losses of the optimum are 0 if they cannot be computed. The sums of several workers add up
    to those of all graphs.
    """

    sums: Tensor
    """Float64: count; four losses; the ten products of two losses; the share of wrong pairs."""

    @classmethod
    def nothing(cls, device: torch.device | None = None) -> "Comparison":
        """The comparison on no graphs, to which others are added."""
        return cls(torch.zeros(_ERROR + 1, dtype=torch.float64, device=device))

    @classmethod
    def of(
        cls,
        model_B: Tensor,
        edge_only_B: Tensor,
        oracle_B: Tensor,
        error_B: Tensor,
        optimum_B: Tensor | None = None,
    ) -> "Comparison":
        """The comparison on some graphs, from the losses of each graph."""
        optimum_B = torch.zeros_like(model_B) if optimum_B is None else optimum_B.to(model_B)
        loss_BL = torch.stack([model_B, edge_only_B, oracle_B, optimum_B], dim=-1)
        row, column = torch.triu_indices(_LOSSES, _LOSSES, device=loss_BL.device)
        ones_B1 = torch.ones_like(loss_BL[:, :1])
        parts = [ones_B1, loss_BL, loss_BL[:, row] * loss_BL[:, column], error_B[:, None]]
        return cls(torch.cat(parts, dim=-1).sum(dim=0))

    def __add__(self, other: "Comparison") -> "Comparison":
        return Comparison(self.sums + other.sums)

    @property
    def model(self) -> float:
        return self._mean(1)

    @property
    def edge_only(self) -> float:
        return self._mean(2)

    @property
    def oracle(self) -> float:
        return self._mean(3)

    @property
    def edge_error(self) -> float:
        return self._mean(_ERROR)

    @property
    def optimum(self) -> float:
        return self._mean(4)

    @property
    def model_standard_error(self) -> float:
        return self._standard_error((1.0, 0.0, 0.0, 0.0))

    def gap_closed(self, *, beyond_oracle: float = 0.0) -> float:
        """The part of the gap from edge-only to a bound that the model closes; NaN without a gap.

        The bound is the loss of the block oracle plus `beyond_oracle`.
        """
        gap = self.edge_only - self.oracle - beyond_oracle
        return (self.edge_only - self.model) / gap if gap > 1e-9 else math.nan

    def gap_standard_error(
        self, *, beyond_oracle: float = 0.0, beyond_oracle_error: float = 0.0
    ) -> float:
        """Standard error of `gap_closed`, by the delta method: both losses are on the same graphs.

        `beyond_oracle` was computed on other graphs, so its error is independent.
        """
        gap = self.edge_only - self.oracle - beyond_oracle
        if gap <= 1e-9:
            return math.nan
        closed = self.gap_closed(beyond_oracle=beyond_oracle)
        here = self._standard_error((-1.0, 1.0 - closed, closed, 0.0))
        return math.hypot(here, closed * beyond_oracle_error) / gap

    def optimum_gap_closed(self) -> float:
        """Like `gap_closed`, for the gap to the optimum on the same graphs."""
        return self.gap_closed(beyond_oracle=self.optimum - self.oracle)

    def optimum_gap_standard_error(self) -> float:
        """Standard error of `optimum_gap_closed`: all three losses are on the same graphs."""
        gap = self.edge_only - self.optimum
        closed = self.optimum_gap_closed()
        return (
            self._standard_error((-1.0, 1.0 - closed, 0.0, closed)) / gap
            if gap > 1e-9
            else math.nan
        )

    def optimum_excess_standard_error(self) -> float:
        """Standard error of the model's loss minus that of the optimum on the same graphs."""
        return self._standard_error((1.0, 0.0, 0.0, -1.0))

    def excess_standard_error(self) -> float:
        """Standard error of the model's loss minus the oracle's on the same graphs."""
        return self._standard_error((1.0, 0.0, -1.0, 0.0))

    def edge_only_excess_standard_error(self) -> float:
        """Standard error of the model's loss minus that of edge-only on the same graphs."""
        return self._standard_error((1.0, -1.0, 0.0, 0.0))

    def _mean(self, number: int) -> float:
        return float(self.sums[number] / self.sums[0])

    def _standard_error(self, factors: tuple[float, float, float, float]) -> float:
        """Standard error of the mean of a weighted sum of the four losses."""
        count = float(self.sums[0])
        if count < 2:
            return math.nan
        square, number = 0.0, 1 + _LOSSES
        for i in range(_LOSSES):
            for j in range(i, _LOSSES):
                covariance = self._mean(number) - self._mean(1 + i) * self._mean(1 + j)
                square += (1 if i == j else 2) * factors[i] * factors[j] * covariance
                number += 1
        return math.sqrt(max(square, 0.0) / (count - 1))
