from typing import Any

import pytest
import torch

from tmgg.denoising.graphs import SbmConfig, sample_sbm
from tmgg.denoising.noise import FlipNoise, GaussianNoise, NoiseConfig
from tmgg.denoising.oracle import edge_only_logits
from tmgg.denoising.spectral import top_eigenpairs
from tmgg.errors import ConfigError
from tmgg.models import MODELS, Denoiser, EvidenceReadout, ModelConfig, build_model
from tmgg.models.filter_bank import FilterBankConfig
from tmgg.models.gnn import GnnConfig
from tmgg.models.graph_transformer import GraphTransformerConfig
from tmgg.models.self_attention import SelfAttentionConfig

CONFIG = SbmConfig(n=16, blocks=(2, 3))
NAMES = list(MODELS)


def make(name: str, noise: NoiseConfig | None = None, *, k: int = 4) -> Denoiser:
    evidence = (noise or FlipNoise()).evidence(density=CONFIG.density)
    torch.manual_seed(0)
    config = MODELS[name].config(k=k)
    return build_model(config, EvidenceReadout(density=CONFIG.density, evidence=evidence))


def trained(name: str) -> Denoiser:
    """Any weights but the special ones a model starts from."""
    model = make(name)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(0.3 * torch.randn(parameter.shape))
    return model


def noisy_graphs(noise: NoiseConfig | None = None) -> torch.Tensor:
    ids = torch.arange(6)
    adj_BNN = sample_sbm(CONFIG, ids, seed=1).adj_BNN
    return (noise or FlipNoise()).corrupt(adj_BNN, ids, density=CONFIG.density, seed=1)


@pytest.mark.parametrize("noise", [FlipNoise(eps=0.2), GaussianNoise(sigma=0.7)], ids=repr)
@pytest.mark.parametrize("name", NAMES)
def test_an_untrained_model_is_the_edge_only_posterior(name: str, noise: NoiseConfig) -> None:
    noisy_BNN = noisy_graphs(noise)
    expected_BNN = edge_only_logits(
        noisy_BNN, density=CONFIG.density, evidence=noise.evidence(density=CONFIG.density)
    )
    torch.testing.assert_close(make(name, noise)(noisy_BNN), expected_BNN, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("name", NAMES)
def test_the_first_step_can_leave_the_starting_point(name: str) -> None:
    model, noisy_BNN = make(name), noisy_graphs()
    model(noisy_BNN)[:, 0, 1].sum().backward()
    moved = [
        key
        for key, parameter in model.named_parameters()
        if not key.startswith("readout")
        and parameter.grad is not None
        and float(parameter.grad.abs().max()) > 1e-6
    ]
    assert moved


@pytest.mark.parametrize("name", NAMES)
def test_every_weight_gets_a_gradient(name: str) -> None:
    """What gets none keeps several workers waiting for it."""
    model, noisy_BNN = trained(name), noisy_graphs()
    model(noisy_BNN).square().sum().backward()
    assert [key for key, weight in model.named_parameters() if weight.grad is None] == []


def test_a_filter_says_the_same_of_one_block_of_any_size() -> None:
    """Without noise, the eigenvalue of a clique of all n nodes is n."""
    model = make("filter_bank", k=1)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(0.3 * torch.randn(parameter.shape))
    graphs = [torch.ones(1, n, n) for n in (20, 40)]
    small, large = (
        model.scores(each_BNN, top_eigenpairs(each_BNN, 1))[0, 0, 1].detach() for each_BNN in graphs
    )
    torch.testing.assert_close(small, large, atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("name", NAMES)
def test_predictions_are_symmetric_in_the_two_nodes(name: str) -> None:
    logits_BNN = trained(name)(noisy_graphs())
    torch.testing.assert_close(logits_BNN, logits_BNN.mT, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("name", NAMES)
def test_renumbering_nodes_renumbers_predictions(name: str) -> None:
    model, noisy_BNN = trained(name).double(), noisy_graphs(GaussianNoise()).double()
    order_N = torch.randperm(16, generator=torch.Generator().manual_seed(0))
    expected_BNN = model(noisy_BNN)[:, order_N][:, :, order_N]
    renumbered_BNN = model(noisy_BNN[:, order_N][:, :, order_N])
    torch.testing.assert_close(renumbered_BNN, expected_BNN, atol=1e-6, rtol=1e-6)


@pytest.mark.parametrize("name", NAMES)
def test_predictions_do_not_depend_on_the_other_graphs_of_a_batch(name: str) -> None:
    model, noisy_BNN = trained(name), noisy_graphs()
    torch.testing.assert_close(model(noisy_BNN)[2:3], model(noisy_BNN[2:3]), atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("name", NAMES)
def test_a_trained_model_uses_the_structure_around_a_pair(name: str) -> None:
    """Two pairs with equal observations may get different predictions."""
    logits_BNN, noisy_BNN = trained(name)(noisy_graphs()).detach(), noisy_graphs()
    edges = logits_BNN[noisy_BNN == 1.0]
    assert float(edges.max() - edges.min()) > 0.1


@pytest.mark.parametrize("name", NAMES)
def test_the_empty_graph_gives_finite_predictions_and_gradients(name: str) -> None:
    model = trained(name)
    logits_BNN = model(torch.zeros(2, 16, 16))
    logits_BNN.sum().backward()
    assert bool(logits_BNN.isfinite().all())
    for parameter in model.parameters():
        assert parameter.grad is None or bool(parameter.grad.isfinite().all())


@pytest.mark.parametrize(
    ("cls", "values", "message"),
    [
        (FilterBankConfig, {"degree": -1}, "model.degree is -1"),
        (SelfAttentionConfig, {"width": 0}, "model.width is 0"),
        (GnnConfig, {"layers": 0}, "model.layers is 0"),
        (GraphTransformerConfig, {"heads": 0}, "1 or more"),
        (GraphTransformerConfig, {"width": 30}, "multiple of model.heads=4"),
    ],
)
def test_impossible_sizes_are_refused(
    cls: type[ModelConfig], values: dict[str, Any], message: str
) -> None:
    with pytest.raises(ConfigError, match=message):
        cls(**values)
