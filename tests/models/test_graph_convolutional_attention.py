"""Equation (27) of arXiv:2607.06546 by other means, and that it is attention with a filter."""

import math

import torch

from tmgg.denoising.graphs import SbmConfig, sample_sbm
from tmgg.denoising.noise import FlipNoise
from tmgg.denoising.spectral import top_eigenpairs
from tmgg.models import EvidenceReadout, build_model
from tmgg.models.graph_convolutional_attention import GraphConvolutionalAttentionConfig, shifted
from tmgg.models.self_attention import SelfAttentionConfig

CONFIG = SbmConfig(n=16)


def readout() -> EvidenceReadout:
    evidence = FlipNoise().evidence(density=CONFIG.density)
    return EvidenceReadout(density=CONFIG.density, evidence=evidence)


def noisy_graphs() -> torch.Tensor:
    numbers = torch.arange(5)
    adj_BNN = sample_sbm(CONFIG, numbers, seed=1).adj_BNN
    return FlipNoise().corrupt(adj_BNN, numbers, density=CONFIG.density, seed=1)


def test_on_eigenvectors_a_power_of_the_graph_is_a_power_of_the_eigenvalue() -> None:
    noisy_BNN = noisy_graphs().double()
    value_BK, vector_BNK = top_eigenpairs(noisy_BNN, 4)
    found = shifted(noisy_BNN / 5.6, vector_BNK, terms=3).view(5, 16, 3, 4)
    for power in range(3):
        expected_BNK = vector_BNK * (value_BK / 5.6)[:, None, :] ** power
        torch.testing.assert_close(found[:, :, power], expected_BNK)


def test_one_round_is_softmax_attention_with_spectrally_filtered_queries_and_keys() -> None:
    torch.manual_seed(0)
    config = GraphConvolutionalAttentionConfig(k=4, width=8, terms=3, layers=1)
    model = build_model(config, readout()).double()
    with torch.no_grad():
        model.gain.fill_(0.7)  # type: ignore[operator]
    noisy_BNN = noisy_graphs().double()
    value_BK, vector_BNK = top_eigenpairs(noisy_BNN, 4)
    found_BNN = model.scores(noisy_BNN, top_eigenpairs(noisy_BNN, 4))
    weights = dict(model.named_parameters())

    def filtered(name: str, graph: int, node: int) -> torch.Tensor:
        total = weights[f"rounds.0.{name}.bias"].clone()
        for power in range(3):
            part = weights[f"rounds.0.{name}.weight"][:, 4 * power : 4 * power + 4]
            scaled_K = (value_BK[graph] / (0.35 * 16)) ** power
            total += part @ (4.0 * vector_BNK[graph, node] * scaled_K)
        return total

    for graph in range(2):
        value_NF = 4.0 * vector_BNK[graph] @ weights["rounds.0.value.weight"].mT
        value_NF = value_NF + weights["rounds.0.value.bias"]
        nodes = []
        for i in range(16):
            query_F = filtered("query", graph, i)
            keys = [filtered("key", graph, j) for j in range(16)]
            odds = torch.stack([torch.exp(query_F @ key_F / math.sqrt(8)) for key_F in keys])
            mixed_F = (odds / odds.sum()) @ value_NF + value_NF[i]
            nodes.append(weights["output.weight"] @ mixed_F + weights["output.bias"])
        node_NF = torch.stack(nodes)
        torch.testing.assert_close(found_BNN[graph], 0.7 / math.sqrt(8) * node_NF @ node_NF.mT)


def test_with_one_term_it_is_self_attention() -> None:
    plain = build_model(SelfAttentionConfig(k=4), readout())
    filtered = build_model(GraphConvolutionalAttentionConfig(k=4, terms=1, layers=1), readout())
    state = {
        key if key.split(".")[0] in ("readout", "gain", "output") else f"rounds.0.{key}": value
        for key, value in plain.state_dict().items()
    }
    state["gain"] = torch.tensor(0.3)
    filtered.load_state_dict(state)
    with torch.no_grad():
        plain.gain.fill_(0.3)  # type: ignore[operator]
    noisy_BNN = noisy_graphs()
    torch.testing.assert_close(filtered(noisy_BNN), plain(noisy_BNN))
