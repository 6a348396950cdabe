import torch

from tmgg.denoising.graphs import SbmConfig, sample_sbm
from tmgg.denoising.spectral import top_eigenpairs

ADJ_BNN = sample_sbm(SbmConfig(n=20), torch.arange(8), seed=1).adj_BNN


def test_all_eigenpairs_rebuild_the_matrix() -> None:
    value_BK, vector_BNK = top_eigenpairs(ADJ_BNN, 20)
    rebuilt_BNN = (vector_BNK * value_BK[:, None, :]) @ vector_BNK.mT
    torch.testing.assert_close(rebuilt_BNN, ADJ_BNN, atol=1e-4, rtol=0.0)


def test_eigenvectors_are_orthonormal_eigenvectors() -> None:
    value_BK, vector_BNK = top_eigenpairs(ADJ_BNN, 5)
    identity = torch.eye(5).expand(8, 5, 5)
    torch.testing.assert_close(vector_BNK.mT @ vector_BNK, identity, atol=1e-5, rtol=0.0)
    torch.testing.assert_close(
        ADJ_BNN @ vector_BNK, vector_BNK * value_BK[:, None, :], atol=1e-4, rtol=0.0
    )


def test_the_largest_magnitudes_come_first_and_none_is_left_out() -> None:
    value_BK, _ = top_eigenpairs(ADJ_BNN, 6)
    expected = torch.linalg.eigvalsh(ADJ_BNN.double()).abs().sort(descending=True).values[:, :6]
    torch.testing.assert_close(value_BK.abs().double(), expected, atol=1e-4, rtol=0.0)


def test_every_eigenvector_sums_to_a_positive_number() -> None:
    _, vector_BNK = top_eigenpairs(ADJ_BNN, 20)
    assert float(vector_BNK.sum(dim=1).min()) >= 0.0


def test_renumbering_nodes_renumbers_the_rows_of_eigenvectors() -> None:
    order_N = torch.randperm(20, generator=torch.Generator().manual_seed(0))
    value_BK, vector_BNK = top_eigenpairs(ADJ_BNN, 3)
    value2_BK, vector2_BNK = top_eigenpairs(ADJ_BNN[:, order_N][:, :, order_N], 3)
    torch.testing.assert_close(value2_BK, value_BK, atol=1e-4, rtol=0.0)
    torch.testing.assert_close(vector2_BNK, vector_BNK[:, order_N], atol=1e-3, rtol=0.0)


def test_no_gradient_flows_into_the_matrix() -> None:
    matrix_BNN = ADJ_BNN.clone().requires_grad_()
    value_BK, vector_BNK = top_eigenpairs(matrix_BNN, 4)
    assert not value_BK.requires_grad
    assert not vector_BNK.requires_grad
