"""A small graph transformer with node and edge channels, after the network of DiGress."""

import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from tmgg.denoising.spectral import top_eigenpairs
from tmgg.errors import ConfigError
from tmgg.models.gnn import node_features
from tmgg.models.readout import Denoiser, EvidenceReadout


@dataclass(frozen=True, slots=True, kw_only=True)
class GraphTransformerConfig:
    """Settings of `GraphTransformer`."""

    k: int = 8
    """Eigenpairs used; at most the number of nodes."""
    width: int = 64
    """Channels per node; a multiple of `heads`."""
    edge_width: int = 16
    """Channels per node pair."""
    heads: int = 4
    """Attention heads."""
    layers: int = 3
    """Blocks of attention and feed-forward."""

    def __post_init__(self) -> None:
        if min(self.width, self.edge_width, self.heads, self.layers) < 1:
            raise ConfigError("model.width, edge_width, heads and layers must each be 1 or more")
        if self.width % self.heads:
            raise ConfigError(
                f"model.width is {self.width}; it must be a multiple of model.heads={self.heads}"
            )


class GraphTransformer(Denoiser):
    """Attention between nodes, biased by and updating a feature vector per pair.

    Vignac et al. (ICLR 2023, arXiv:2209.14734), appendix B, made small: no global features, edge
    features enter the attention as an additive bias, and spectral features [Y, V L V', n V V' / k,
    Y^2 / n] start the edges. f is a symmetrised perceptron of the last edge features.
    """

    def __init__(self, config: GraphTransformerConfig, readout: EvidenceReadout) -> None:
        super().__init__(readout)
        self.k = config.k
        self.node_input = nn.Linear(config.k + 1, config.width)
        self.edge_input = nn.Linear(4, config.edge_width)
        self.blocks = nn.ModuleList(_Block(config) for _ in range(config.layers))
        last = nn.Linear(2 * config.edge_width, 1)
        nn.init.zeros_(last.weight)
        nn.init.zeros_(last.bias)
        self.output = nn.Sequential(
            nn.Linear(config.edge_width, 2 * config.edge_width), nn.ReLU(), last
        )

    def scores(self, noisy_BNN: Tensor) -> Tensor:
        """See `Denoiser.scores`."""
        node_BNF = self.node_input(node_features(noisy_BNN, self.k))
        edge_BNNE = self.edge_input(edge_features(noisy_BNN, self.k))
        for block in self.blocks:
            node_BNF, edge_BNNE = block(node_BNF, edge_BNNE)
        score_BNN: Tensor = self.output(edge_BNNE).squeeze(-1)
        return 0.5 * (score_BNN + score_BNN.mT)


class _Block(nn.Module):
    """One round: pairs bias the attention of nodes, and attention scores update the pairs."""

    def __init__(self, config: GraphTransformerConfig) -> None:
        super().__init__()
        width, edge_width, heads = config.width, config.edge_width, config.heads
        self.heads = heads
        self.node_norm, self.hidden_norm = nn.LayerNorm(width), nn.LayerNorm(width)
        self.query_key_value = nn.Linear(width, 3 * width)
        self.merge = nn.Linear(width, width)
        self.bias = nn.Linear(edge_width, heads)
        self.node_update = _perceptron(width, 2 * width, width)
        self.edge_update = _perceptron(edge_width + heads, 2 * edge_width, edge_width)

    def forward(self, node_BNF: Tensor, edge_BNNE: Tensor) -> tuple[Tensor, Tensor]:
        batch, n, width = node_BNF.shape
        projected = self.query_key_value(self.node_norm(node_BNF))
        query, key, value = projected.view(batch, n, 3, self.heads, -1).permute(2, 0, 3, 1, 4)
        score_BHNN = query @ key.mT / math.sqrt(query.shape[-1])
        score_BHNN = score_BHNN + self.bias(edge_BNNE).permute(0, 3, 1, 2)
        mixed_BHNC = torch.softmax(score_BHNN, dim=-1) @ value
        node_BNF = node_BNF + self.merge(mixed_BHNC.transpose(1, 2).reshape(batch, n, width))
        node_BNF = node_BNF + self.node_update(self.hidden_norm(node_BNF))
        seen = torch.cat([edge_BNNE, score_BHNN.permute(0, 2, 3, 1)], dim=-1)
        return node_BNF, edge_BNNE + self.edge_update(seen)


def _perceptron(inputs: int, hidden: int, outputs: int) -> nn.Sequential:
    return nn.Sequential(nn.Linear(inputs, hidden), nn.ReLU(), nn.Linear(hidden, outputs))


def edge_features(noisy_BNN: Tensor, k: int) -> Tensor:
    """[Y, best rank-k approximation of Y, n V V' / k, Y^2 / n] of shape (B, N, N, 4)."""
    n = noisy_BNN.shape[-1]
    eigenvalue_BK, eigenvector_BNK = top_eigenpairs(noisy_BNN, k)
    low_rank_BNN = (eigenvector_BNK * eigenvalue_BK[:, None, :]) @ eigenvector_BNK.mT
    projector_BNN = n / k * (eigenvector_BNK @ eigenvector_BNK.mT)
    walks_BNN = noisy_BNN @ noisy_BNN / n
    return torch.stack([noisy_BNN, low_rank_BNN, projector_BNN, walks_BNN], dim=-1)
