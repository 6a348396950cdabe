"""The numbers of a trained model on the test set, with those of references and the optimum."""

import math
from typing import cast

from tmgg.denoising.bayes import is_enumerable
from tmgg.denoising.comparison import Comparison
from tmgg.denoising.known_optima import optimum
from tmgg.denoising.noise import NOISES, NoiseConfig
from tmgg.training.config import Settings
from tmgg.training.graph_data import DataConfig


def report_metrics(settings: Settings, found: Comparison) -> dict[str, float]:
    """The metrics in docs/experiments.md; those that are not known are left out."""
    return {
        "test_loss": found.model,
        "test_loss_se": found.model_standard_error,
        "test_edge_error": found.edge_error,
        "edge_only_test_loss": found.edge_only,
        "block_oracle_test_loss": found.oracle,
        "block_oracle_gap_closed": found.gap_closed(),
        "block_oracle_gap_closed_se": found.gap_standard_error(),
        **(_bayes_metrics(settings, found) if settings.trainer.bayes == "auto" else {}),
    }


def known_exactly(settings: Settings) -> bool:
    """Whether the optimum of each graph of the test set can be summed over all partitions."""
    return (
        settings.trainer.bayes == "auto" and _is_built_in(settings) and is_enumerable(settings.data)
    )


def _is_built_in(settings: Settings) -> bool:
    return type(settings.data) is DataConfig and type(settings.noise) in NOISES.values()


def _bayes_metrics(settings: Settings, found: Comparison) -> dict[str, float]:
    if known_exactly(settings):
        return _exact_metrics(found)
    noise = settings.noise
    best = optimum(settings.data, cast(NoiseConfig, noise)) if _is_built_in(settings) else None
    if best is None or not best.is_known:
        return {"bayes_is_known": False}
    error = math.hypot(found.excess_standard_error(), best.standard_error)
    return {
        "bayes_is_known": True,
        "bayes_test_loss_low": found.oracle + best.low,
        "bayes_test_loss_high": found.oracle + best.high,
        # A lower bound of the loss is further away, so a smaller part of the gap is closed.
        "bayes_gap_closed_low": found.gap_closed(beyond_oracle=best.low),
        "bayes_gap_closed_high": found.gap_closed(beyond_oracle=best.high),
        "bayes_gap_closed_se": found.gap_standard_error(
            beyond_oracle=best.high, beyond_oracle_error=best.standard_error
        ),
        "bayes_beaten_by_se": (found.oracle + best.low - found.model) / error,
        "bayes_excess_se": error,
    }


def _exact_metrics(found: Comparison) -> dict[str, float]:
    """The metrics for an optimum that is computed on the test graphs, so it has no error itself."""
    error = found.optimum_excess_standard_error()
    better = found.optimum - found.model
    return {
        "bayes_is_known": True,
        "bayes_test_loss_low": found.optimum,
        "bayes_test_loss_high": found.optimum,
        "bayes_gap_closed_low": found.optimum_gap_closed(),
        "bayes_gap_closed_high": found.optimum_gap_closed(),
        "bayes_gap_closed_se": found.optimum_gap_standard_error(),
        "bayes_beaten_by_se": better / error if error else 0.0,
        "bayes_excess_se": error,
    }
