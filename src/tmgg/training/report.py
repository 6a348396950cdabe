"""The numbers of a trained model on the test set, between what can be had and what cannot."""

import math
from typing import cast

from tmgg.denoising.comparison import Comparison
from tmgg.denoising.known_optima import optimum
from tmgg.denoising.noise import NOISES, NoiseConfig
from tmgg.training.config import Settings
from tmgg.training.graph_data import DataConfig


def report_metrics(settings: Settings, found: Comparison) -> dict[str, float]:
    """See docs/experiments.md; what is not known is left out."""
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


def _bayes_metrics(settings: Settings, found: Comparison) -> dict[str, float]:
    noise = settings.noise
    built_in = type(settings.data) is DataConfig and type(noise) in NOISES.values()
    best = optimum(settings.data, cast(NoiseConfig, noise)) if built_in else None
    if best is None or not best.is_known:
        return {"bayes_is_known": False}
    error = math.hypot(found.excess_standard_error(), best.standard_error)
    return {
        "bayes_is_known": True,
        "bayes_test_loss_low": found.oracle + best.low,
        "bayes_test_loss_high": found.oracle + best.high,
        # The lower the bound, the smaller the part of the way to it.
        "bayes_gap_closed_low": found.gap_closed(beyond_oracle=best.low),
        "bayes_gap_closed_high": found.gap_closed(beyond_oracle=best.high),
        "bayes_gap_closed_se": found.gap_standard_error(beyond_oracle=best.high),
        "bayes_beaten_by_se": (found.oracle + best.low - found.model) / error,
        "bayes_excess_se": error,
    }
