"""The last step of every model: from scores f_ij to edge logits."""

import torch
from torch import Tensor, nn

from tmgg.denoising.noise import Evidence
from tmgg.denoising.oracle import prior_logit


class EvidenceReadout(nn.Module):
    """logits_ij = f_ij + c + s Y_ij, where c and s start at their optimum for f = 0.

    For pairwise noise Bayes' rule reads logit P(A_ij = 1 | Y, z) = logit P(A_ij = 1 | z) +
    intercept + slope Y_ij, so the observation belongs in the logits additively, and f has to
    learn only what the structure says about the prior. At f = 0, with c = logit density +
    intercept and s = slope, this is the edge-only posterior, exactly.
    """

    def __init__(self, *, density: float, evidence: Evidence) -> None:
        super().__init__()
        self.bias = nn.Parameter(torch.tensor(prior_logit(density) + evidence.intercept))
        self.slope = nn.Parameter(torch.tensor(evidence.slope))

    def forward(self, score_BNN: Tensor, noisy_BNN: Tensor) -> Tensor:
        """Logits of shape (B, N, N); symmetric where the scores are."""
        return score_BNN + self.bias + self.slope * noisy_BNN


class Denoiser(nn.Module):
    """A model: structure scores of its own, the shared readout behind them.

    A subclass defines `scores`: symmetric in the two nodes, equivariant to how nodes are
    numbered, and zero before training, so that every model starts as the edge-only posterior
    and all it gains is structure. Tests hold every registered model to that.
    """

    def __init__(self, readout: EvidenceReadout) -> None:
        super().__init__()
        self.readout = readout

    def scores(self, noisy_BNN: Tensor) -> Tensor:
        """What the whole noisy graph says about each pair, (B, N, N); the diagonal is not used."""
        raise NotImplementedError

    def forward(self, noisy_BNN: Tensor) -> Tensor:
        """Edge logits (B, N, N) of the clean graph."""
        logits_BNN: Tensor = self.readout(self.scores(noisy_BNN), noisy_BNN)
        return logits_BNN
