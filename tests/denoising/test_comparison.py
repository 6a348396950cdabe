"""A model, edge-only and an oracle on graphs that are hard or easy for all three."""

import math

import pytest
import torch

from tmgg.denoising.comparison import Comparison, graph_losses


def draw(graphs: int, seed: int) -> list[torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    common, *own = torch.randn(4, graphs, generator=generator, dtype=torch.float64).unbind()
    losses = [
        mean + 0.02 * common + 0.005 * each
        for mean, each in zip((0.19, 0.29, 0.16), own, strict=True)
    ]
    return [*losses, torch.zeros(graphs, dtype=torch.float64)]


def test_parts_add_up_to_the_whole() -> None:
    losses = draw(10, 0)
    parts = Comparison.of(*(each[:3] for each in losses))
    parts += Comparison.of(*(each[3:] for each in losses))
    torch.testing.assert_close((Comparison.nothing() + parts).sums, Comparison.of(*losses).sums)


def test_means_are_those_of_the_graphs() -> None:
    losses = draw(50, 1)
    found = Comparison.of(*losses)
    expected = [float(each.mean()) for each in losses]
    assert [found.model, found.edge_only, found.oracle, found.edge_error] == pytest.approx(expected)
    assert found.model_standard_error == pytest.approx(float(losses[0].std() / math.sqrt(50)))


def test_the_standard_error_of_the_gap_is_what_repetition_shows() -> None:
    repeated = [Comparison.of(*draw(200, seed)) for seed in range(400)]
    closed = torch.tensor([each.gap_closed() for each in repeated], dtype=torch.float64)
    told = sum(each.gap_standard_error() for each in repeated) / len(repeated)
    assert told == pytest.approx(float(closed.std()), rel=0.15)


def test_a_bound_above_the_oracle_makes_the_same_model_better() -> None:
    found = Comparison.of(*draw(50, 1))
    assert found.gap_closed(beyond_oracle=0.02) > found.gap_closed()
    assert math.isnan(found.gap_closed(beyond_oracle=1.0))


def test_graph_losses_count_each_pair_once() -> None:
    adj_BNN = torch.tensor([[[0.0, 1.0, 0.0], [1.0, 0.0, 0.0], [0.0, 0.0, 0.0]]])
    p = torch.tensor([[[0.9, 0.7, 0.2], [0.7, 0.9, 0.6], [0.2, 0.6, 0.9]]])
    expected = -(math.log(0.7) + math.log(0.8) + math.log(0.4)) / 3
    assert float(graph_losses(torch.logit(p), adj_BNN)) == pytest.approx(expected, abs=1e-6)


def test_the_error_of_a_bound_that_was_found_elsewhere_counts() -> None:
    found = Comparison.of(*draw(50, 1))
    alone = found.gap_standard_error(beyond_oracle=0.01)
    both = found.gap_standard_error(beyond_oracle=0.01, beyond_oracle_error=0.02)
    gap = found.edge_only - found.oracle - 0.01
    error = found.gap_closed(beyond_oracle=0.01) * 0.02 / gap
    assert both == pytest.approx(math.hypot(alone, error))
