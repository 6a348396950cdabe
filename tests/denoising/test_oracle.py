import itertools
import math

import pytest
import torch

from tmgg.denoising.graphs import SbmConfig, sample_sbm
from tmgg.denoising.metrics import gap_closed, mean_bce, score_pairs
from tmgg.denoising.noise import DigressNoise, FlipNoise, GaussianNoise, NoiseConfig
from tmgg.denoising.oracle import block_oracle_logits, edge_only_logits

NOISES: list[NoiseConfig] = [FlipNoise(eps=0.1), DigressNoise(alpha_bar=0.6), GaussianNoise()]
CONFIG = SbmConfig(n=32, blocks=(2, 3, 4), p_in=0.8, p_out=0.05)


def references(config: SbmConfig, noise: NoiseConfig, graphs: int) -> tuple[torch.Tensor, ...]:
    ids = torch.arange(graphs)
    batch = sample_sbm(config, ids, seed=7)
    noisy_BNN = noise.corrupt(batch.adj_BNN, ids, density=config.density, seed=7)
    evidence = noise.evidence(density=config.density)
    return (
        batch.adj_BNN,
        edge_only_logits(noisy_BNN, density=config.density, evidence=evidence),
        block_oracle_logits(
            noisy_BNN, edge_probability_BNN=batch.edge_probability_BNN, evidence=evidence
        ),
    )


def test_the_block_oracle_is_bayes_rule_worked_out_by_hand() -> None:
    """Enumerates A and Y of one pair and compares with P(A, Y) / P(Y)."""
    eps = 0.1
    evidence = FlipNoise(eps=eps).evidence(density=0.3)
    for p, y in itertools.product((0.05, 0.3, 0.8), (0.0, 1.0)):
        joint_edge = p * ((1 - eps) if y else eps)
        joint_gap = (1 - p) * (eps if y else (1 - eps))
        logit = block_oracle_logits(
            torch.tensor(y), edge_probability_BNN=torch.tensor(p), evidence=evidence
        )
        assert float(torch.sigmoid(logit)) == pytest.approx(joint_edge / (joint_edge + joint_gap))


@pytest.mark.parametrize("noise", NOISES, ids=repr)
def test_both_references_are_calibrated(noise: NoiseConfig) -> None:
    adj_BNN, *both = references(CONFIG, noise, 2000)
    off_diagonal = ~torch.eye(32, dtype=torch.bool)
    for logits_BNN in both:
        p, edge = torch.sigmoid(logits_BNN)[:, off_diagonal], adj_BNN[:, off_diagonal]
        for low in (0.0, 0.1, 0.3, 0.6, 0.9):
            chosen = (p >= low) & (p < low + 0.1)
            if int(chosen.sum()) > 5000:
                gap = float(edge[chosen].mean() - p[chosen].mean())
                assert abs(gap) < 0.015, (low, gap)


@pytest.mark.parametrize("noise", NOISES, ids=repr)
def test_no_use_of_structure_beats_the_oracle(noise: NoiseConfig) -> None:
    adj_BNN, edge_only_BNN, oracle_BNN = references(CONFIG, noise, 256)
    best = score_pairs(oracle_BNN, adj_BNN).bce
    assert best < score_pairs(edge_only_BNN, adj_BNN).bce - 0.03
    for factor, shift in itertools.product((0.8, 0.9, 1.0, 1.1, 1.2), (-0.2, -0.1, 0.1, 0.2)):
        changed_BNN = factor * oracle_BNN + shift
        assert score_pairs(changed_BNN, adj_BNN).bce > best


def test_the_references_agree_where_there_are_no_blocks() -> None:
    config = SbmConfig(n=16, blocks=(1,), p_in=0.3)
    adj_BNN, edge_only_BNN, oracle_BNN = references(config, FlipNoise(eps=0.2), 20)
    torch.testing.assert_close(edge_only_BNN.double(), oracle_BNN, atol=1e-5, rtol=0.0)
    scores = [score_pairs(logits_BNN, adj_BNN).bce for logits_BNN in (edge_only_BNN, oracle_BNN)]
    closed = gap_closed(model_bce=0.1, edge_only_bce=scores[0], oracle_bce=scores[0])
    assert math.isnan(closed)


def test_certain_blocks_give_a_finite_loss_of_zero() -> None:
    config = SbmConfig(n=16, blocks=(2,), p_in=1.0, p_out=0.0)
    adj_BNN, _, oracle_BNN = references(config, FlipNoise(eps=0.2), 20)
    assert score_pairs(oracle_BNN, adj_BNN).bce == pytest.approx(0.0, abs=1e-9)


def test_reference_losses_of_the_benchmark_are_the_known_ones() -> None:
    """Expected losses follow from the four outcomes of a pair; here at n=32, K in {2, 3, 4}."""
    adj_BNN, edge_only_BNN, oracle_BNN = references(CONFIG, FlipNoise(eps=0.1), 4000)

    def entropy(prior: float, eps: float) -> float:
        seen = prior * (1 - eps) + (1 - prior) * eps
        joints = (prior * (1 - eps), (1 - prior) * eps, prior * eps, (1 - prior) * (1 - eps))
        totals = (seen, seen, 1 - seen, 1 - seen)
        return -sum(
            joint * math.log(joint / total) for joint, total in zip(joints, totals, strict=True)
        )

    same = (CONFIG.density - 0.05) / 0.75
    expected_oracle = same * entropy(0.8, 0.1) + (1 - same) * entropy(0.05, 0.1)
    edge_only = score_pairs(edge_only_BNN, adj_BNN).bce
    assert edge_only == pytest.approx(entropy(CONFIG.density, 0.1), abs=0.002)
    assert score_pairs(oracle_BNN, adj_BNN).bce == pytest.approx(expected_oracle, abs=0.002)


def test_gap_closed_is_zero_at_edge_only_and_one_at_the_oracle() -> None:
    def closed(model_bce: float) -> float:
        return gap_closed(model_bce=model_bce, edge_only_bce=0.30, oracle_bce=0.16)

    assert closed(0.30) == pytest.approx(0.0)
    assert closed(0.16) == pytest.approx(1.0)
    assert closed(0.37) == pytest.approx(-0.5)


def test_scores_count_each_pair_once_and_the_diagonal_never() -> None:
    adj_BNN = torch.tensor([[[0.0, 1.0, 0.0], [1.0, 0.0, 0.0], [0.0, 0.0, 0.0]]])
    p = torch.tensor([[[0.9, 0.7, 0.2], [0.7, 0.9, 0.6], [0.2, 0.6, 0.9]]])
    scores = score_pairs(torch.logit(p), adj_BNN)
    assert scores.bce == pytest.approx(-(math.log(0.7) + math.log(0.8) + math.log(0.4)) / 3)
    assert scores.edge_error == pytest.approx(1 / 3)
    assert float(mean_bce(torch.logit(p), adj_BNN)) == pytest.approx(scores.bce, abs=1e-6)


def test_scores_of_parts_add_up_to_the_scores_of_the_whole() -> None:
    adj_BNN, logits_BNN, _ = references(CONFIG, FlipNoise(), 10)
    parts = score_pairs(logits_BNN[:3], adj_BNN[:3]) + score_pairs(logits_BNN[3:], adj_BNN[3:])
    whole = score_pairs(logits_BNN, adj_BNN)
    assert parts.bce == pytest.approx(whole.bce, rel=1e-12)
    assert parts.edge_error == whole.edge_error
