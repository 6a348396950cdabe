"""Two predictors that are optimal for what they know; the loss of a good model is between theirs.

Both are Bayes' rule, P(A | Y) proportional to P(Y | A) P(A), and differ in what they know:

- edge-only: knows the density of graphs and looks at Y_ij alone. Best among all predictors
  that ignore the rest of the graph.
- block oracle: also knows the hidden blocks, hence P(A_ij = 1 | z). Given the blocks the pairs
  are independent, so nothing else in the graph helps: no predictor, of any kind, has a lower
  expected cross-entropy. If a model beats it by more than sampling error, it has seen the answer.
"""

import math

import torch
from torch import Tensor

from tmgg.denoising.noise import Evidence

_CLAMP = 1e-12


def edge_only_logits(noisy_BNN: Tensor, *, density: float, evidence: Evidence) -> Tensor:
    """The logits of P(A_ij = 1 | Y_ij), if a share `density` of all pairs is joined."""
    return evidence.logits(prior_logit(density), noisy_BNN)


def block_oracle_logits(
    noisy_BNN: Tensor, *, edge_probability_BNN: Tensor, evidence: Evidence
) -> Tensor:
    """The logits of P(A_ij = 1 | Y, z) in float64, from P(A_ij = 1 | z)."""
    # A certain prior (0 or 1) has an infinite logit, and inf - inf in the loss is NaN.
    prior_BNN = edge_probability_BNN.double().clamp(_CLAMP, 1.0 - _CLAMP)
    return evidence.logits(torch.logit(prior_BNN), noisy_BNN)


def prior_logit(density: float) -> float:
    """Log odds of a probability; finite even for 0 and 1."""
    probability = min(max(density, _CLAMP), 1.0 - _CLAMP)
    return math.log(probability) - math.log1p(-probability)
