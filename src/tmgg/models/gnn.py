"""Message passing on the noisy graph, with spectral node features."""

import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from tmgg.denoising.spectral import Eigenpairs
from tmgg.errors import ConfigError
from tmgg.models.readout import Denoiser, Readout


@dataclass(frozen=True, slots=True, kw_only=True)
class GnnConfig:
    """Settings of `Gnn`."""

    k: int = 8
    """Eigenpairs used; at most the number of nodes."""
    width: int = 64
    """Channels per node."""
    layers: int = 3
    """Rounds of message passing; each reaches two steps along edges."""

    def __post_init__(self) -> None:
        if self.width < 1 or self.layers < 1:
            raise ConfigError(
                f"model.width is {self.width} and model.layers is {self.layers}; "
                "each must be 1 or more"
            )


class Gnn(Denoiser):
    """f = gain G G' / sqrt(d) with G = h Wo, after rounds h += ReLU(Linear[h, S h, S^2 h]).

    S = D^-1/2 Y D^-1/2 as in Kipf and Welling (ICLR 2017,
    arXiv:1609.02907), without self-loops. Degrees are sums of |Y_ij|, as noise may have negative
    values. Nodes start from [sqrt(n) V, degree / n].
    """

    def __init__(self, config: GnnConfig, readout: Readout) -> None:
        super().__init__(readout)
        self.k = config.k
        self.input = nn.Linear(config.k + 1, config.width)
        self.rounds = nn.ModuleList(
            nn.Linear(3 * config.width, config.width) for _ in range(config.layers)
        )
        self.output = nn.Linear(config.width, config.width)
        # Not G = 0 at the start: the gradient of G G' is 0 there, so G would stay 0.
        self.gain = nn.Parameter(torch.zeros(()))

    def scores(self, noisy_BNN: Tensor, eigen: Eigenpairs) -> Tensor:
        """See `Denoiser.scores`."""
        shift_BNN = normalised_adjacency(noisy_BNN)
        node_BNF = self.input(node_features(noisy_BNN, eigen.vector_BNK))
        for linear in self.rounds:
            once_BNF = shift_BNN @ node_BNF
            heard = torch.cat([node_BNF, once_BNF, shift_BNN @ once_BNF], dim=-1)
            node_BNF = node_BNF + torch.relu(linear(heard))
        output_BNF = self.output(node_BNF)
        scale = 1.0 / math.sqrt(output_BNF.shape[-1])
        score_BNN: Tensor = self.gain * scale * output_BNF @ output_BNF.mT
        return score_BNN


def node_features(noisy_BNN: Tensor, eigenvector_BNK: Tensor) -> Tensor:
    """[sqrt(n) V, degree / n] of shape (B, N, k + 1), of order 1 for every n."""
    n = noisy_BNN.shape[-1]
    degree_BN1 = noisy_BNN.sum(dim=-1, keepdim=True) / n
    return torch.cat([math.sqrt(n) * eigenvector_BNK, degree_BN1], dim=-1)


def normalised_adjacency(noisy_BNN: Tensor) -> Tensor:
    """D^-1/2 Y D^-1/2 with D_ii = sum_j |Y_ij|; rows of isolated nodes are zero."""
    degree_BN = noisy_BNN.abs().sum(dim=-1)
    scale_BN = torch.where(degree_BN > 0, degree_BN.clamp_min(1e-6).rsqrt(), 0.0)
    return scale_BN[:, :, None] * noisy_BNN * scale_BN[:, None, :]
