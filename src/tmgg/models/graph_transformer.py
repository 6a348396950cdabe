"""A small graph transformer with node and edge channels, based on the network of DiGress."""

import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from tmgg.denoising.spectral import Eigenpairs
from tmgg.errors import ConfigError
from tmgg.models.gnn import node_features
from tmgg.models.readout import Denoiser, Readout


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
    """Attention between nodes. A feature vector per pair biases it and is updated by it.

    A small version of Vignac et al. (ICLR 2023, arXiv:2209.14734), appendix B: no global features;
    edge features enter the attention as an additive bias; edges start from the spectral features
    [Y, V L V', n V V' / k, Y^2 / n]. f is a symmetrised perceptron of the last edge features.
    """

    def __init__(self, config: GraphTransformerConfig, readout: Readout) -> None:
        super().__init__(readout)
        self.k = config.k
        self.node_input = nn.Linear(config.k + 1, config.width)
        self.edge_input = nn.Linear(4, config.edge_width)
        # Nodes are not used after the last block, so it has no weights to update them.
        self.blocks = nn.ModuleList(
            _Block(config, updates_nodes=layer + 1 < config.layers)
            for layer in range(config.layers)
        )
        last = nn.Linear(2 * config.edge_width, 1)
        nn.init.zeros_(last.weight)
        nn.init.zeros_(last.bias)
        self.output = nn.Sequential(
            nn.Linear(config.edge_width, 2 * config.edge_width), nn.ReLU(), last
        )

    def scores(self, noisy_BNN: Tensor, eigen: Eigenpairs) -> Tensor:
        """See `Denoiser.scores`."""
        node_BNF = self.node_input(node_features(noisy_BNN, eigen.vector_BNK))
        edge_BNNE = self.edge_input(edge_features(noisy_BNN, *eigen))
        for block in self.blocks:
            node_BNF, edge_BNNE = block(node_BNF, edge_BNNE)
        score_BNN: Tensor = self.output(edge_BNNE).squeeze(-1)
        return 0.5 * (score_BNN + score_BNN.mT)


class _Block(nn.Module):
    """One round: pairs bias the attention of nodes, and attention scores update the pairs."""

    def __init__(self, config: GraphTransformerConfig, *, updates_nodes: bool) -> None:
        super().__init__()
        width, edge_width, heads = config.width, config.edge_width, config.heads
        self.heads = heads
        self.node_norm = nn.LayerNorm(width)
        self.query_key = nn.Linear(width, 2 * width)
        self.bias = nn.Linear(edge_width, heads)
        self.nodes = _NodeUpdate(width) if updates_nodes else None
        self.edge_update = _perceptron(edge_width + heads, 2 * edge_width, edge_width)

    def forward(self, node_BNF: Tensor, edge_BNNE: Tensor) -> tuple[Tensor, Tensor]:
        batch, n, _ = node_BNF.shape
        normed_BNF = self.node_norm(node_BNF)
        projected = self.query_key(normed_BNF).view(batch, n, 2, self.heads, -1)
        query, key = projected.permute(2, 0, 3, 1, 4)
        score_BHNN = query @ key.mT / math.sqrt(query.shape[-1])
        score_BHNN = score_BHNN + self.bias(edge_BNNE).permute(0, 3, 1, 2)
        if self.nodes is not None:
            node_BNF = self.nodes(node_BNF, normed_BNF, torch.softmax(score_BHNN, dim=-1))
        seen = torch.cat([edge_BNNE, score_BHNN.permute(0, 2, 3, 1)], dim=-1)
        return node_BNF, edge_BNNE + self.edge_update(seen)


class _NodeUpdate(nn.Module):
    """Adds to each node the values of the nodes that it attends to, then a perceptron."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.value = nn.Linear(width, width)
        self.merge = nn.Linear(width, width)
        self.norm = nn.LayerNorm(width)
        self.perceptron = _perceptron(width, 2 * width, width)

    def forward(self, node_BNF: Tensor, normed_BNF: Tensor, attention_BHNN: Tensor) -> Tensor:
        batch, heads, n, _ = attention_BHNN.shape
        value_BHNC = self.value(normed_BNF).view(batch, n, heads, -1).transpose(1, 2)
        mixed_BNF = (attention_BHNN @ value_BHNC).transpose(1, 2).reshape(batch, n, -1)
        node_BNF = node_BNF + self.merge(mixed_BNF)
        updated_BNF: Tensor = node_BNF + self.perceptron(self.norm(node_BNF))
        return updated_BNF


def _perceptron(inputs: int, hidden: int, outputs: int) -> nn.Sequential:
    return nn.Sequential(nn.Linear(inputs, hidden), nn.ReLU(), nn.Linear(hidden, outputs))


def edge_features(noisy_BNN: Tensor, eigenvalue_BK: Tensor, eigenvector_BNK: Tensor) -> Tensor:
    """[Y, best rank-k approximation of Y, n V V' / k, Y^2 / n] of shape (B, N, N, 4)."""
    n, k = noisy_BNN.shape[-1], eigenvalue_BK.shape[-1]
    low_rank_BNN = (eigenvector_BNK * eigenvalue_BK[:, None, :]) @ eigenvector_BNK.mT
    projector_BNN = n / k * (eigenvector_BNK @ eigenvector_BNK.mT)
    walks_BNN = noisy_BNN @ noisy_BNN / n
    return torch.stack([noisy_BNN, low_rank_BNN, projector_BNN, walks_BNN], dim=-1)
