"""Learned spectral filters: the weight between two eigenvectors is a polynomial in eigenvalues."""

import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from tmgg.denoising.spectral import top_eigenpairs
from tmgg.errors import ConfigError
from tmgg.models.readout import Denoiser, EvidenceReadout


@dataclass(frozen=True, slots=True, kw_only=True)
class FilterBankConfig:
    """Settings of `FilterBank`."""

    k: int = 8
    """Eigenpairs used; at most the number of nodes."""
    degree: int = 4
    """Highest power of the eigenvalue; 0 leaves `linear_pe`."""

    def __post_init__(self) -> None:
        if self.degree < 0:
            raise ConfigError(f"model.degree is {self.degree}; a polynomial has degree 0 or more")


class FilterBank(Denoiser):
    """f = g X sym(W) X' with X = sqrt(n) V and W = sum_l diag((lambda / 2 sqrt(n))^l) H_l.

    Eigenvalues are measured in 2 sqrt(n) because the noise eigenvalues of a random symmetric
    matrix with entries of variance v end at 2 sqrt(v n) (Füredi and Komlós, "The eigenvalues of
    random symmetric matrices", Combinatorica 1, 1981): signal and noise look alike for every n.
    """

    def __init__(self, config: FilterBankConfig, readout: EvidenceReadout) -> None:
        super().__init__(readout)
        self.k = config.k
        self.filter_LKK = nn.Parameter(torch.zeros(config.degree + 1, config.k, config.k))
        self.gain = nn.Parameter(torch.ones(()))

    def scores(self, noisy_BNN: Tensor) -> Tensor:
        """See `Denoiser.scores`."""
        eigenvalue_BK, eigenvector_BNK = top_eigenpairs(noisy_BNN, self.k)
        n = noisy_BNN.shape[-1]
        power_L = torch.arange(len(self.filter_LKK), device=noisy_BNN.device)
        power_BKL = (eigenvalue_BK / (2.0 * math.sqrt(n)))[..., None] ** power_L
        weight_BKK = torch.einsum("bkl,lkj->bkj", power_BKL, self.filter_LKK)
        symmetric_BKK = 0.5 * (weight_BKK + weight_BKK.mT)
        return self.gain * n * (eigenvector_BNK @ symmetric_BKK @ eigenvector_BNK.mT)
