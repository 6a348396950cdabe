"""Between symmetric (B, N, N) matrices and their P = N(N-1)/2 values over node pairs i < j.

Every loss and metric counts each unordered pair once and the diagonal never.
"""

import torch
from torch import Tensor


def pair_count(n: int) -> int:
    """How many unordered node pairs a graph of `n` nodes has."""
    return n * (n - 1) // 2


def to_pairs(matrix_BNN: Tensor) -> Tensor:
    """The entries above the diagonal, row by row, of shape (B, P)."""
    n = matrix_BNN.shape[-1]
    row, column = torch.triu_indices(n, n, offset=1, device=matrix_BNN.device)
    return matrix_BNN[..., row, column]


def from_pairs(value_BP: Tensor, n: int) -> Tensor:
    """The symmetric matrix with these entries above (and below) a zero diagonal."""
    row, column = torch.triu_indices(n, n, offset=1, device=value_BP.device)
    matrix_BNN = value_BP.new_zeros(*value_BP.shape[:-1], n, n)
    matrix_BNN[..., row, column] = value_BP
    return matrix_BNN + matrix_BNN.mT
