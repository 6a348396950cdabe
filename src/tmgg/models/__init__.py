"""The models by name. A new one is a file with a config and a `Denoiser`, and a line below."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from tmgg.models.filter_bank import FilterBank, FilterBankConfig
from tmgg.models.gnn import Gnn, GnnConfig
from tmgg.models.graph_transformer import GraphTransformer, GraphTransformerConfig
from tmgg.models.linear_pe import LinearPe, LinearPeConfig
from tmgg.models.readout import Denoiser, EvidenceReadout
from tmgg.models.self_attention import SelfAttention, SelfAttentionConfig

__all__ = ["MODELS", "Denoiser", "EvidenceReadout", "ModelConfig", "ModelEntry", "build_model"]

ModelConfig = (
    LinearPeConfig | FilterBankConfig | SelfAttentionConfig | GnnConfig | GraphTransformerConfig
)


@dataclass(frozen=True, slots=True)
class ModelEntry:
    """What a name stands for."""

    config: type[ModelConfig]
    """Settings, as written under `model:` in a config."""
    build: Callable[[Any, EvidenceReadout], Denoiser]
    """Makes the untrained model from its settings."""


MODELS: Mapping[str, ModelEntry] = {
    "linear_pe": ModelEntry(LinearPeConfig, LinearPe),
    "filter_bank": ModelEntry(FilterBankConfig, FilterBank),
    "self_attention": ModelEntry(SelfAttentionConfig, SelfAttention),
    "gnn": ModelEntry(GnnConfig, Gnn),
    "graph_transformer": ModelEntry(GraphTransformerConfig, GraphTransformer),
}


def build_model(config: ModelConfig, readout: EvidenceReadout) -> Denoiser:
    """The untrained model for these settings; its random weights follow torch's global seed."""
    entry = next(entry for entry in MODELS.values() if entry.config is type(config))
    return entry.build(config, readout)
