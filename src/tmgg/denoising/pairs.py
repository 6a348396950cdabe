"""Symmetric (B, N, N) matrices to and from their P = N(N-1)/2 values over node pairs i < j.

Every loss and metric counts each unordered pair once, and never the diagonal.
"""

import functools

import torch
from torch import Tensor


def pair_count(n: int) -> int:
    """How many unordered node pairs a graph of `n` nodes has."""
    return n * (n - 1) // 2


def to_pairs(matrix_BNN: Tensor) -> Tensor:
    """The entries above the diagonal, row by row, of shape (B, P)."""
    place_P, _ = _places(matrix_BNN.shape[-1], matrix_BNN.device)
    return matrix_BNN.flatten(-2).index_select(-1, place_P)


def from_pairs(value_BP: Tensor, n: int) -> Tensor:
    """The symmetric matrix with these entries above (and below) a zero diagonal."""
    _, pair_M = _places(n, value_BP.device)
    zero_B1 = value_BP.new_zeros(*value_BP.shape[:-1], 1)
    entries_BM = torch.cat([value_BP, zero_B1], dim=-1).index_select(-1, pair_M)
    return entries_BM.view(*value_BP.shape[:-1], n, n)


@functools.lru_cache(maxsize=16)
def _places(n: int, device: torch.device) -> tuple[Tensor, Tensor]:
    """The place of each pair in the flat matrix, and the pair of each entry; P means no pair."""
    row_P, column_P = torch.triu_indices(n, n, offset=1, device=device)
    pair_NN = torch.full((n, n), pair_count(n), device=device)
    pair_NN[row_P, column_P] = torch.arange(pair_count(n), device=device)
    symmetric_NN = torch.minimum(pair_NN, pair_NN.mT)
    return row_P * n + column_P, symmetric_NN.flatten()
