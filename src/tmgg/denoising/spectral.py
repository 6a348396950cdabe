"""Eigenpairs of noisy graphs, the input of the spectral models."""

from typing import NamedTuple

import torch
from torch import Tensor


class Eigenpairs(NamedTuple):
    """Some eigenpairs of each matrix of a batch."""

    value_BK: Tensor
    vector_BNK: Tensor


def top_eigenpairs(symmetric_BNN: Tensor, k: int) -> Eigenpairs:
    """The k eigenvalues of largest magnitude, (B, K), and their unit eigenvectors, (B, N, K).

    Both are constants to autograd: the derivative of an eigenvector divides by eigenvalue gaps, so
    it becomes very large if two eigenvalues are close. An eigenvector is only defined up to its
    sign. The one whose entries have a positive sum is returned, a rule that does not depend on the
    numbering of nodes. Equal eigenvalues leave a free choice in their space, without a rule.
    """
    with torch.no_grad():
        eigenvalue_BN, eigenvector_BNN = torch.linalg.eigh(symmetric_BNN)
        order_BK = eigenvalue_BN.abs().argsort(dim=-1, descending=True, stable=True)[:, :k]
        eigenvalue_BK = eigenvalue_BN.gather(1, order_BK)
        index_BNK = order_BK[:, None, :].expand(-1, symmetric_BNN.shape[-1], -1)
        eigenvector_BNK = eigenvector_BNN.gather(2, index_BNK)
        negative_B1K = eigenvector_BNK.sum(dim=1, keepdim=True) < 0
        signed_BNK = torch.where(negative_B1K, -eigenvector_BNK, eigenvector_BNK)
        return Eigenpairs(eigenvalue_BK, signed_BNK)
