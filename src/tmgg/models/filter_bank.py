"""Learned spectral filters: the weight between two eigenvectors is a polynomial in eigenvalues."""

import math
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn

from tmgg.denoising.spectral import Eigenpairs
from tmgg.errors import ConfigError
from tmgg.models.readout import Denoiser, Readout


@dataclass(frozen=True, slots=True, kw_only=True)
class FilterBankConfig:
    """Settings of `FilterBank`."""

    k: int = 8
    """Eigenpairs used; at most the number of nodes."""
    degree: int = 4
    """Highest power of the eigenvalue; with 0 the model is `linear_pe`."""
    eigenvalue_scale: Literal["size", "noise"] = "size"
    """The unit of eigenvalues. `size`: 0.35 n. Eigenvalues of blocks grow like n, so a filter that
    is learned at one n holds at another. `noise`: 2 sqrt(n), as eigenvalues of the noise grow."""

    def __post_init__(self) -> None:
        if self.degree < 0:
            raise ConfigError(f"model.degree is {self.degree}; a polynomial has degree 0 or more")


class FilterBank(Denoiser):
    """f = g X sym(W) X' with X = sqrt(n) V and W = sum_l diag((lambda / scale)^l) H_l.

    The eigenvalue of a block is its size times an edge probability, so it grows like n. The filter
    must distinguish blocks of different sizes, so the scale is 0.35 n. Noise eigenvalues of a
    random symmetric matrix with entries of variance v end at 2 sqrt(v n) (Füredi and Komlós, "The
    eigenvalues of random symmetric matrices", Combinatorica 1, 1981). In units of 2 sqrt(n), noise
    looks the same for every n, and blocks do not. Both scales are equal at n = 32.6.
    """

    def __init__(self, config: FilterBankConfig, readout: Readout) -> None:
        super().__init__(readout)
        self.k = config.k
        self.eigenvalue_scale = config.eigenvalue_scale
        self.filter_LKK = nn.Parameter(torch.zeros(config.degree + 1, config.k, config.k))
        self.gain = nn.Parameter(torch.ones(()))

    def scores(self, noisy_BNN: Tensor, eigen: Eigenpairs) -> Tensor:
        """See `Denoiser.scores`."""
        eigenvalue_BK, eigenvector_BNK = eigen
        n = noisy_BNN.shape[-1]
        power_L = torch.arange(len(self.filter_LKK), device=noisy_BNN.device)
        scale = 0.35 * n if self.eigenvalue_scale == "size" else 2.0 * math.sqrt(n)
        power_BKL = (eigenvalue_BK / scale)[..., None] ** power_L
        weight_BKK = torch.einsum("bkl,lkj->bkj", power_BKL, self.filter_LKK)
        symmetric_BKK = 0.5 * (weight_BKK + weight_BKK.mT)
        return self.gain * n * (eigenvector_BNK @ symmetric_BKK @ eigenvector_BNK.mT)
