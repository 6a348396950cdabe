"""The models by name. A new one is a file with a config and a `Denoiser`, and a line below."""

import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from tmgg.models.filter_bank import FilterBank, FilterBankConfig
from tmgg.models.gnn import Gnn, GnnConfig
from tmgg.models.graph_convolutional_attention import (
    GraphConvolutionalAttention,
    GraphConvolutionalAttentionConfig,
)
from tmgg.models.graph_transformer import GraphTransformer, GraphTransformerConfig
from tmgg.models.linear_pe import LinearPe, LinearPeConfig
from tmgg.models.readout import Denoiser, EvidenceReadout, RateReadout, Readout
from tmgg.models.self_attention import SelfAttention, SelfAttentionConfig

__all__ = [
    "MODELS",
    "Denoiser",
    "EvidenceReadout",
    "ModelConfig",
    "ModelEntry",
    "RateReadout",
    "Readout",
    "build_model",
]

ModelConfig = (
    LinearPeConfig
    | FilterBankConfig
    | SelfAttentionConfig
    | GraphConvolutionalAttentionConfig
    | GnnConfig
    | GraphTransformerConfig
)


@dataclass(frozen=True, slots=True)
class ModelEntry:
    """A model's settings and how it is built."""

    config: type[ModelConfig]
    """Settings, as written under `model:` in a config."""
    build: Callable[[Any, Readout], Denoiser]
    """Makes the untrained model from its settings."""


MODELS: Mapping[str, ModelEntry] = {
    "linear_pe": ModelEntry(LinearPeConfig, LinearPe),
    "filter_bank": ModelEntry(FilterBankConfig, FilterBank),
    "self_attention": ModelEntry(SelfAttentionConfig, SelfAttention),
    "graph_convolutional_attention": ModelEntry(
        GraphConvolutionalAttentionConfig, GraphConvolutionalAttention
    ),
    "gnn": ModelEntry(GnnConfig, Gnn),
    "graph_transformer": ModelEntry(GraphTransformerConfig, GraphTransformer),
}


def build_model(config: ModelConfig, readout: Readout) -> Denoiser:
    """The untrained model for these settings; its random weights follow torch's global seed.

    For a user's own model, the settings are the class `Config` inside the model's class.
    """
    for entry in MODELS.values():
        if entry.config is type(config):
            return entry.build(config, readout)
    kind: Any = type(config)
    owner, _, _ = kind.__qualname__.rpartition(".")
    build: Callable[[Any, Readout], Denoiser] = getattr(sys.modules[kind.__module__], owner)
    return build(config, readout)
