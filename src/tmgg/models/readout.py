"""The last step of every model: from scores f_ij to edge logits."""

import math

import torch
from torch import Tensor, nn

from tmgg.denoising.noise import Evidence
from tmgg.denoising.noise_range import estimated_density, unbiased
from tmgg.denoising.oracle import prior_logit
from tmgg.denoising.spectral import Eigenpairs, top_eigenpairs
from tmgg.errors import ConfigError


class EvidenceReadout(nn.Module):
    """logits_ij = f_ij + c + s Y_ij, where c and s start at their optimum for f = 0.

    For pairwise noise, Bayes' rule is logit P(A_ij = 1 | Y, z) = logit P(A_ij = 1 | z) +
    intercept + slope Y_ij. So the observation is added to the logits, and f must learn only what
    the structure says about the prior. At f = 0, with c = logit density + intercept and s = slope,
    this is exactly the edge-only posterior.
    """

    def __init__(self, *, density: float, evidence: Evidence) -> None:
        super().__init__()
        self.bias = nn.Parameter(torch.as_tensor(prior_logit(density) + evidence.intercept))
        self.slope = nn.Parameter(torch.as_tensor(evidence.slope))

    def seen(self, noisy_BNN: Tensor, rate_B: Tensor | None) -> Tensor:
        """The input of models: the noisy graph itself."""
        return noisy_BNN

    def forward(self, score_BNN: Tensor, noisy_BNN: Tensor, rate_B: Tensor | None = None) -> Tensor:
        """Logits of shape (B, N, N); symmetric if the scores are symmetric."""
        return score_BNN + self.bias + self.slope * noisy_BNN


class RateReadout(nn.Module):
    """logits_ij = (1 + a u) f_ij + b + logit rho(Y, eps) + s (2 Y_ij - 1) log((1 - eps) / eps).

    For graphs with different densities and flip rates; the model gets the rate eps. rho is the
    density estimated from Y (`estimated_density`). Training starts at a = b = f = 0, s = 1, where
    this is the edge-only posterior with each graph's own density and rate. u is the log odds
    log((1 - eps) / eps) divided by those of eps = 0.1, minus 1: so scores may count more, or less,
    if there is less noise. Models get the graph without the bias of flips (`unbiased`).
    """

    def __init__(self) -> None:
        super().__init__()
        self.bias = nn.Parameter(torch.zeros(()))
        self.slope = nn.Parameter(torch.ones(()))
        self.score_slope = nn.Parameter(torch.zeros(()))

    def seen(self, noisy_BNN: Tensor, rate_B: Tensor | None) -> Tensor:
        """The input of models: the noisy graph without the bias of flips."""
        return unbiased(noisy_BNN, _given(rate_B))

    def forward(self, score_BNN: Tensor, noisy_BNN: Tensor, rate_B: Tensor | None = None) -> Tensor:
        """Logits of shape (B, N, N); symmetric if the scores are symmetric."""
        rate_B = _given(rate_B)
        log_odds_B11 = (torch.log1p(-rate_B) - torch.log(rate_B))[:, None, None]
        density_B11 = estimated_density(noisy_BNN, rate_B)[:, None, None]
        gain_B11 = 1.0 + self.score_slope * (log_odds_B11 / _LOG_ODDS - 1.0)
        observed_BNN = self.slope * (2.0 * noisy_BNN - 1.0) * log_odds_B11
        return gain_B11 * score_BNN + self.bias + torch.logit(density_B11) + observed_BNN


_LOG_ODDS = math.log(9.0)
"""The log odds of a flip rate of 0.1."""


def _given(rate_B: Tensor | None) -> Tensor:
    if rate_B is None:
        raise ConfigError("this model needs the flip rate of each graph; give eps")
    return rate_B


Readout = EvidenceReadout | RateReadout


class Denoiser(nn.Module):
    """A model: its own structure scores, followed by the readout that all models share.

    A subclass defines `k` and `scores`. Scores are symmetric in the two nodes, equivariant to the
    numbering of nodes, and zero before training. So every model starts as the edge-only posterior,
    and learns only structure. Tests check this for every registered model.
    """

    def __init__(self, readout: Readout) -> None:
        super().__init__()
        self.readout = readout

    k: int
    """How many eigenpairs `scores` needs."""

    def scores(self, noisy_BNN: Tensor, eigen: Eigenpairs) -> Tensor:
        """What the whole noisy graph says about each pair, (B, N, N); the diagonal is not used.

        `eigen` are the graphs' `k` largest eigenpairs. They do not depend on weights, so a training
        may compute them ahead.
        """
        raise NotImplementedError

    def forward(
        self, noisy_BNN: Tensor, eigen: Eigenpairs | None = None, rate_B: Tensor | None = None
    ) -> Tensor:
        """Edge logits (B, N, N) of the clean graph; eigenpairs are computed unless given.

        `rate_B` are the graphs' flip rates, for a model that uses them.
        """
        seen_BNN = self.readout.seen(noisy_BNN, rate_B)
        pairs = top_eigenpairs(seen_BNN, self.k) if eigen is None else eigen
        logits_BNN: Tensor = self.readout(self.scores(seen_BNN, pairs), noisy_BNN, rate_B)
        return logits_BNN
