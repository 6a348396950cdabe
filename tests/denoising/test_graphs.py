import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from tmgg.denoising.graphs import SbmConfig, sample_sbm
from tmgg.denoising.pairs import from_pairs, pair_count, to_pairs
from tmgg.errors import ConfigError


@st.composite
def sbm_configs(draw: st.DrawFn) -> SbmConfig:
    n = draw(st.integers(2, 20))
    blocks = draw(st.lists(st.integers(1, n), min_size=1, max_size=3))
    probability = st.floats(0.0, 1.0)
    return SbmConfig(n=n, blocks=tuple(blocks), p_in=draw(probability), p_out=draw(probability))


@given(config=sbm_configs(), seed=st.integers(0, 2**32 - 1))
def test_graphs_are_simple_undirected_and_binary(config: SbmConfig, seed: int) -> None:
    adj_BNN = sample_sbm(config, torch.arange(4), seed=seed).adj_BNN
    assert adj_BNN.shape == (4, config.n, config.n)
    assert torch.equal(adj_BNN, adj_BNN.mT)
    assert float(adj_BNN.diagonal(dim1=1, dim2=2).abs().sum()) == 0.0
    assert set(adj_BNN.flatten().tolist()) <= {0.0, 1.0}


@given(n=st.integers(2, 12), seed=st.integers(0, 2**32 - 1))
def test_pairs_and_matrix_are_two_views_of_the_same(n: int, seed: int) -> None:
    value_BP = torch.rand(3, pair_count(n), generator=torch.Generator().manual_seed(seed))
    matrix_BNN = from_pairs(value_BP, n)
    assert torch.equal(to_pairs(matrix_BNN), value_BP)
    assert torch.equal(matrix_BNN, matrix_BNN.mT)


def test_edge_rates_within_and_between_blocks_are_as_configured() -> None:
    config = SbmConfig(n=30, blocks=(2, 3), p_in=0.7, p_out=0.1)
    graphs = sample_sbm(config, torch.arange(400), seed=1)
    edge_BP, probability_BP = to_pairs(graphs.adj_BNN), to_pairs(graphs.edge_probability_BNN)
    for p in (0.7, 0.1):
        chosen = edge_BP[torch.isclose(probability_BP, torch.tensor(p))]
        deviation = (p * (1 - p) / len(chosen)) ** 0.5
        assert abs(float(chosen.mean()) - p) < 4 * deviation


def test_density_is_the_mean_over_the_distribution() -> None:
    config = SbmConfig(n=31, blocks=(2, 3, 4), p_in=0.8, p_out=0.05)
    adj_BNN = sample_sbm(config, torch.arange(4000), seed=2).adj_BNN
    assert float(to_pairs(adj_BNN).mean()) == pytest.approx(config.density, abs=2e-3)


def test_blocks_are_balanced_drawn_evenly_and_independent_of_the_numbering() -> None:
    config = SbmConfig(n=24, blocks=(2, 3), p_in=1.0, p_out=0.0)
    probability_BNN = sample_sbm(config, torch.arange(2000), seed=3).edge_probability_BNN
    sizes_BN = probability_BNN.sum(dim=-1)
    assert sorted(set(sizes_BN.flatten().tolist())) == [8.0, 12.0]
    assert float((sizes_BN[:, 0] == 12.0).float().mean()) == pytest.approx(0.5, abs=0.05)
    # Every pair of nodes shares a block equally often: labels say nothing.
    shared_P = to_pairs(probability_BNN).mean(dim=0)
    assert float(shared_P.min()) > 0.35
    assert float(shared_P.max()) < 0.48


def test_certain_edges_and_certain_gaps_are_certain() -> None:
    config = SbmConfig(n=12, blocks=(3,), p_in=1.0, p_out=0.0)
    graphs = sample_sbm(config, torch.arange(50), seed=4)
    assert torch.equal(to_pairs(graphs.adj_BNN), to_pairs(graphs.edge_probability_BNN))


def test_a_graph_depends_on_its_number_and_the_seed_only() -> None:
    config = SbmConfig()
    many = sample_sbm(config, torch.arange(10), seed=5).adj_BNN
    one = sample_sbm(config, torch.tensor([7]), seed=5).adj_BNN
    assert torch.equal(many[7], one[0])
    assert not torch.equal(many[7], many[8])
    assert not torch.equal(many, sample_sbm(config, torch.arange(10), seed=6).adj_BNN)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"n": 1}, "data.n is 1"),
        ({"blocks": ()}, "data.blocks is \\[\\]"),
        ({"blocks": (0,)}, "data.blocks is \\[0\\]"),
        ({"n": 4, "blocks": (2, 5)}, "from 1 to data.n=4"),
        ({"p_in": 1.5}, "data.p_in is 1.5"),
        ({"p_out": float("nan")}, "data.p_out is nan"),
    ],
)
def test_impossible_distributions_are_refused(values: dict[str, object], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        SbmConfig(**values)  # type: ignore[arg-type]
