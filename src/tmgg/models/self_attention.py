"""Self-attention between nodes over the spectral positional encoding."""

import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from tmgg.denoising.spectral import Eigenpairs
from tmgg.errors import ConfigError
from tmgg.models.readout import Denoiser, Readout


@dataclass(frozen=True, slots=True, kw_only=True)
class SelfAttentionConfig:
    """Settings of `SelfAttention`."""

    k: int = 8
    """Eigenpairs used; at most the number of nodes."""
    width: int = 64
    """Channels of queries, keys, values and output."""

    def __post_init__(self) -> None:
        if self.width < 1:
            raise ConfigError(f"model.width is {self.width}; give 1 or more channels")


class SelfAttention(Denoiser):
    """f = gain G G' / sqrt(d) with G = H Wo, where H attends from X = sqrt(n) V with a residual.

    H = softmax(X Wq (X Wk)' / sqrt(d)) X Wv + X Wv: the scaled dot-product attention of Vaswani
    et al., "Attention is all you need" (2017, arXiv:1706.03762), eq. (1), with one head.
    """

    def __init__(self, config: SelfAttentionConfig, readout: Readout) -> None:
        super().__init__(readout)
        self.k = config.k
        self.query = nn.Linear(config.k, config.width)
        self.key = nn.Linear(config.k, config.width)
        self.value = nn.Linear(config.k, config.width)
        self.output = nn.Linear(config.width, config.width)
        # Not G = 0 at the start: the gradient of G G' is 0 there, so G would stay 0.
        self.gain = nn.Parameter(torch.zeros(()))

    def scores(self, noisy_BNN: Tensor, eigen: Eigenpairs) -> Tensor:
        """See `Denoiser.scores`."""
        _, eigenvector_BNK = eigen
        x_BNK = math.sqrt(noisy_BNN.shape[-1]) * eigenvector_BNK
        value_BNF = self.value(x_BNK)
        scale = 1.0 / math.sqrt(value_BNF.shape[-1])
        attention_BNN = torch.softmax(self.query(x_BNK) @ self.key(x_BNK).mT * scale, dim=-1)
        output_BNF = self.output(attention_BNN @ value_BNF + value_BNF)
        score_BNN: Tensor = self.gain * scale * output_BNF @ output_BNF.mT
        return score_BNN
