"""Attention between nodes whose queries and keys are filtered on the noisy graph."""

import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from tmgg.denoising.spectral import Eigenpairs
from tmgg.errors import ConfigError
from tmgg.models.readout import Denoiser, Readout


@dataclass(frozen=True, slots=True, kw_only=True)
class GraphConvolutionalAttentionConfig:
    """Settings of `GraphConvolutionalAttention`."""

    k: int = 8
    """Eigenpairs used; at most the number of nodes."""
    width: int = 64
    """Channels of queries, keys, values and output."""
    terms: int = 2
    """Number of powers of the graph in each filter, from 0 on; 1 is like `self_attention`."""
    layers: int = 2
    """Rounds of attention."""

    def __post_init__(self) -> None:
        if min(self.width, self.terms, self.layers) < 1:
            raise ConfigError(
                f"model.width is {self.width}, model.terms is {self.terms} and model.layers is "
                f"{self.layers}; each must be 1 or more"
            )


class GraphConvolutionalAttention(Denoiser):
    """f = gain G G' / sqrt(d) with G = H Wo, after rounds of attention with filtered queries, keys.

    Khalafi, Krawczuk, Rozada, Kanatsoulis, Marques and Ribeiro, "Graph Convolutional Attention: A
    Spectral Perspective on Graph Denoising and Diffusion" (2026, arXiv:2607.06546), section 4.1,
    eq. (27): Q = sum_l S^l X Q_l, K = sum_l S^l X K_l, then softmax(Q K' / sqrt(d)) X Wv; values
    are not filtered. With one term it is eq. (26), plain attention. X starts as sqrt(n) V, so that
    S^l X = sqrt(n) V diag(lambda^l): the filter weighs eigenvectors by their eigenvalues.

    Differences from the paper: S is Y / (0.35 n), as in `filter_bank`, not Y, whose powers grow
    with n. Rounds have a residual and no normalisation. f is a product of the last node features,
    which goes into the readout that all models share, not a mixture of attention scores.
    """

    def __init__(self, config: GraphConvolutionalAttentionConfig, readout: Readout) -> None:
        super().__init__(readout)
        self.k = config.k
        widths = [config.k] + [config.width] * (config.layers - 1)
        self.rounds = nn.ModuleList(_Round(inputs, config.width, config.terms) for inputs in widths)
        self.output = nn.Linear(config.width, config.width)
        # Not G = 0 at the start: the gradient of G G' is 0 there, so G would stay 0.
        self.gain = nn.Parameter(torch.zeros(()))

    def scores(self, noisy_BNN: Tensor, eigen: Eigenpairs) -> Tensor:
        """See `Denoiser.scores`."""
        n = noisy_BNN.shape[-1]
        shift_BNN = noisy_BNN / (0.35 * n)
        node_BNF = math.sqrt(n) * eigen.vector_BNK
        for attend in self.rounds:
            node_BNF = attend(shift_BNN, node_BNF)
        output_BNF = self.output(node_BNF)
        scale = 1.0 / math.sqrt(output_BNF.shape[-1])
        score_BNN: Tensor = self.gain * scale * output_BNF @ output_BNF.mT
        return score_BNN


class _Round(nn.Module):
    """Attention with graph-filtered queries and keys, added to the nodes' own values."""

    def __init__(self, inputs: int, width: int, terms: int) -> None:
        super().__init__()
        self.terms = terms
        self.query = nn.Linear(terms * inputs, width)
        self.key = nn.Linear(terms * inputs, width)
        self.value = nn.Linear(inputs, width)

    def forward(self, shift_BNN: Tensor, node_BNF: Tensor) -> Tensor:
        filtered = shifted(shift_BNN, node_BNF, terms=self.terms)
        query_BNF, key_BNF, value_BNF = (
            self.query(filtered),
            self.key(filtered),
            self.value(node_BNF),
        )
        scale = 1.0 / math.sqrt(value_BNF.shape[-1])
        attention_BNN = torch.softmax(query_BNF @ key_BNF.mT * scale, dim=-1)
        attended_BNF: Tensor = attention_BNN @ value_BNF + value_BNF
        return attended_BNF


def shifted(shift_BNN: Tensor, node_BNF: Tensor, *, terms: int) -> Tensor:
    """[X, S X, ..., S^(terms - 1) X] side by side: a linear map of it is a graph filter."""
    powers = [node_BNF]
    for _ in range(terms - 1):
        powers.append(shift_BNN @ powers[-1])
    return torch.cat(powers, dim=-1)
