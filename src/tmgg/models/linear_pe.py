"""A bilinear form in the spectral positional encoding: the simplest structural model."""

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from tmgg.denoising.spectral import Eigenpairs
from tmgg.models.readout import Denoiser, Readout


@dataclass(frozen=True, slots=True, kw_only=True)
class LinearPeConfig:
    """Settings of `LinearPe`."""

    k: int = 8
    """Eigenpairs used; at most the number of nodes."""


class LinearPe(Denoiser):
    """f = g X sym(W) X' with X = sqrt(n) V: one learned (K, K) matrix W and gain g for all graphs.

    The eigenvalues are not used, so f cannot distinguish a strong eigenvector from noise. The gain
    does not add functions that f can represent; it lets logits grow faster than with W's steps.
    """

    def __init__(self, config: LinearPeConfig, readout: Readout) -> None:
        super().__init__(readout)
        self.k = config.k
        self.weight_KK = nn.Parameter(torch.zeros(config.k, config.k))
        self.gain = nn.Parameter(torch.ones(()))

    def scores(self, noisy_BNN: Tensor, eigen: Eigenpairs) -> Tensor:
        """See `Denoiser.scores`."""
        _, eigenvector_BNK = eigen
        symmetric_KK = 0.5 * (self.weight_KK + self.weight_KK.mT)
        n = noisy_BNN.shape[-1]
        return self.gain * n * (eigenvector_BNK @ symmetric_KK @ eigenvector_BNK.mT)
