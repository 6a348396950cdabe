"""Compares a trained model with references on other graphs and noise than in its training."""

import math

import torch

from tmgg.denoising.comparison import Comparison
from tmgg.denoising.known_optima import optimum
from tmgg.denoising.noise import FlipNoise
from tmgg.denoising.noise_range import FlipRangeNoise
from tmgg.models import Denoiser
from tmgg.training.config import Settings
from tmgg.training.data import draw_graphs
from tmgg.training.module import compare
from tmgg.training.shifts import Shift

_SHIFTED = 6
"""The role of these graphs, which keeps them apart from all others; see `tmgg.training.data`."""


def report_shifts(settings: Settings, model: Denoiser) -> dict[str, float]:
    """`shift_<name>_<metric>` for each shift, without those that are not known. On the CPU."""
    model = model.cpu()
    found: dict[str, float] = {}
    for shift in settings.shifts:
        values = _report(settings, shift, _compare(settings, shift, model))
        found |= {f"shift_{shift.name}_{name}": value for name, value in values.items()}
    return found


def _compare(settings: Settings, shift: Shift, model: Denoiser) -> Comparison:
    # The noise has one rate; a model that gets rates gets this one.
    knows_rate = isinstance(settings.noise, FlipRangeNoise)
    noise = (
        FlipRangeNoise(low=shift.eps, high=shift.eps) if knows_rate else FlipNoise(eps=shift.eps)
    )
    total = Comparison.nothing()
    seed = (_SHIFTED << 32) | settings.data.test_seed
    numbers = torch.split(torch.arange(settings.data.test_graphs), settings.trainer.batch_size)
    with torch.no_grad():
        for sample_B in numbers:
            batch = draw_graphs(shift.of(settings.data), noise, sample_B, seed=seed, k=model.k)
            logits_BNN = model(batch.noisy_BNN, batch.eigen, batch.rate_B)
            total += compare(logits_BNN, batch, noise)
    return total


def _report(settings: Settings, shift: Shift, found: Comparison) -> dict[str, float]:
    values = {
        "loss": found.model,
        "edge_only_loss": found.edge_only,
        "block_oracle_loss": found.oracle,
        "excess": found.model - found.edge_only,
        "excess_se": found.edge_only_excess_standard_error(),
        "gap_closed": found.gap_closed(),
        "gap_closed_se": found.gap_standard_error(),
    }
    if settings.trainer.bayes == "auto":
        values |= _optimum(settings, shift, found)
    return {name: value for name, value in values.items() if math.isfinite(value)}


def _optimum(settings: Settings, shift: Shift, found: Comparison) -> dict[str, float]:
    """Bounds, low and high, of the part of the block oracle's gap that the optimum closes."""
    if found.edge_only - found.oracle <= 1e-9:
        return {}
    best = optimum(shift.of(settings.data), FlipNoise(eps=shift.eps))
    if not best.is_known:
        return {}
    return {
        "optimum_gap_closed_low": 1.0 - best.high / best.gap,
        "optimum_gap_closed_high": 1.0 - best.low / best.gap,
    }
