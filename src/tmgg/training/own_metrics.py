"""Metrics of somebody's own, on the test set."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from tmgg.errors import ConfigError
from tmgg.training.import_path import load_by_path

Metric = Callable[[Tensor, Tensor], Tensor]
"""Takes P(edge) and clean graphs, both (B, N, N); returns one number for each graph, (B,)."""


@dataclass(frozen=True, slots=True)
class OwnMetrics:
    """Sums over graphs, which add up over workers."""

    functions: tuple[Metric, ...]
    sums: Tensor
    """One for each, and the number of graphs."""

    @classmethod
    def start(cls, paths: Sequence[str], device: torch.device | None = None) -> "OwnMetrics":
        """The metrics of no graphs, to add to."""
        functions = tuple(load_by_path(path, key="metrics") for path in paths)
        return cls(functions, torch.zeros(len(functions) + 1, dtype=torch.float64, device=device))

    def add(self, probability_BNN: Tensor, adj_BNN: Tensor) -> None:
        """Count these graphs in."""
        for number, function in enumerate(self.functions):
            value_B = function(probability_BNN, adj_BNN)
            if value_B.shape != adj_BNN.shape[:1]:
                raise ConfigError(
                    f"the metric {function.__name__} returned the shape {tuple(value_B.shape)}; "
                    f"it must return one number for each of {len(adj_BNN)} graphs"
                )
            self.sums[number] += value_B.double().sum()
        self.sums[-1] += len(adj_BNN)

    def means(self) -> dict[str, float]:
        """By the functions' names."""
        return {
            function.__name__: float(total / self.sums[-1])
            for function, total in zip(self.functions, self.sums, strict=False)
        }
