"""A user's own metrics, on the test set."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from tmgg.errors import ConfigError
from tmgg.training.import_path import load_by_path

_BUILT_IN = (
    "val_loss", "gap_closed", "edge_error", "val_accuracy", "best_val_loss", "edge_only_loss",
    "oracle_loss", "edge_only_edge_error", "oracle_edge_error", "test_loss", "test_loss_se",
    "test_edge_error", "edge_only_test_loss", "block_oracle_test_loss", "block_oracle_gap_closed",
    "block_oracle_gap_closed_se", "bayes_is_known", "bayes_test_loss_low", "bayes_test_loss_high",
    "bayes_gap_closed_low", "bayes_gap_closed_high", "bayes_gap_closed_se", "bayes_beaten_by_se",
    "bayes_excess_se", "train_seconds", "steps", "parameters", "passed", "checkpoint_path",
)  # fmt: skip
"""Names of built-in numbers; a user's metric of the same name would replace one."""
_BUILT_IN_PREFIX = "shift_"

Metric = Callable[[Tensor, Tensor], Tensor]
"""Takes P(edge) and clean graphs, both (B, N, N); returns one number for each graph, (B,)."""


@dataclass(frozen=True, slots=True)
class OwnMetrics:
    """Sums over graphs, which add up over workers."""

    functions: dict[str, Metric]
    """The metrics, by the names under which they are reported."""
    sums: Tensor
    """One sum for each metric, and the number of graphs."""

    @classmethod
    def start(cls, paths: Sequence[str], device: torch.device | None = None) -> "OwnMetrics":
        """The sums over no graphs, to which `add` adds."""
        functions = {metric_name(path): load_by_path(path, key="metrics") for path in paths}
        return cls(functions, torch.zeros(len(functions) + 1, dtype=torch.float64, device=device))

    def add(self, probability_BNN: Tensor, adj_BNN: Tensor) -> None:
        """Count these graphs in."""
        for number, (name, function) in enumerate(self.functions.items()):
            value_B: object = function(probability_BNN, adj_BNN)
            if not isinstance(value_B, Tensor) or value_B.shape != adj_BNN.shape[:1]:
                raise ConfigError(
                    f"the metric {name} returned {_describe(value_B)}; it must return a tensor "
                    f"with one number for each of {len(adj_BNN)} graphs, of shape (B,)"
                )
            self.sums[number] += value_B.double().sum()
        self.sums[-1] += len(adj_BNN)

    def means(self) -> dict[str, float]:
        """The mean of each metric, by name."""
        return {
            name: float(total / self.sums[-1])
            for name, total in zip(self.functions, self.sums, strict=False)
        }


def metric_name(path: str) -> str:
    """The name under which the metric with this import path is reported."""
    return path.replace(":", ".").rpartition(".")[2]


def require_own_names(paths: Sequence[str]) -> None:
    """Raise ConfigError if a metric would replace another one, or a built-in number."""
    names = [metric_name(path) for path in paths]
    for path, name in zip(paths, names, strict=True):
        if name in _BUILT_IN or name.startswith(_BUILT_IN_PREFIX):
            raise ConfigError(
                f"metrics has {path!r}, but {name} is the name of a built-in number; give the "
                "function another name"
            )
        if names.count(name) > 1:
            raise ConfigError(
                f"metrics has two functions with the name {name}; give each another name"
            )


def _describe(value: object) -> str:
    return f"the shape {tuple(value.shape)}" if isinstance(value, Tensor) else repr(value)
