"""Random numbers that are a function of (seed, stream, sample), not of the order of the draws.

Philox4x32-10, the counter-based generator of Salmon, Moraes, Dror and Shaw, "Parallel random
numbers: as easy as 1, 2, 3" (SC11, doi:10.1145/2063384.2063405), written with integer tensor
operations. So sample 17 is the same on a CPU and on a GPU, alone or within any batch, and on every
worker. This makes data sharding and resuming exact.
"""

import math
from collections.abc import Iterator

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

Counter = tuple[Tensor, Tensor, Tensor, Tensor]
Words = npt.NDArray[np.uint64]

_MULTIPLIERS = (0xD2511F53, 0xCD9E8D57)
_KEY_STEPS = (0x9E3779B9, 0xBB67AE85)
_ROUNDS = 10
_WORD = 0xFFFFFFFF
_CPU_WORD, _CPU_SHIFT = np.uint64(_WORD), np.uint64(32)
_CPU_MULTIPLIERS = tuple(map(np.uint64, _MULTIPLIERS))
_SMALL_ROUNDS = 3
"""In these first rounds, some words depend only on the sample or only on the place: few words."""


def philox_4x32(counter: Counter, key: tuple[int, int]) -> Tensor:
    """Four random 32-bit words per counter, as int64, in a new last dimension of size 4.

    The counter's words are int64 tensors holding 32-bit values; they broadcast against each other.
    """
    rounds = _rounds_on_cpu if counter[0].device.type == "cpu" else _rounds
    return rounds(counter, key)


def _rounds(counter: Counter, key: tuple[int, int]) -> Tensor:
    c0, c1, c2, c3 = counter
    for k0, k1 in _round_keys(key):
        # A product may wrap to a negative int64, but its bits, and so both halves, are right. c1
        # and c3 keep bits above 32 until the next round masks them, which saves operations.
        product0, product1 = c0 * _MULTIPLIERS[0], c2 * _MULTIPLIERS[1]
        c0, c2 = _mixed(product1, c1, k0), _mixed(product0, c3, k1)
        c1, c3 = product1, product0
    # The rounds have mixed every word into every other: all four have the broadcast shape now.
    return torch.stack((c0, c1, c2, c3), dim=-1) & _WORD


def _mixed(product: Tensor, word: Tensor, key: int) -> Tensor:
    """Combine the product's upper half, the word and the key, without further copies."""
    return ((product >> 32) ^ word).bitwise_xor_(key).bitwise_and_(_WORD)


def _rounds_on_cpu(counter: Counter, key: tuple[int, int]) -> Tensor:
    """Like `_rounds`, with NumPy in place, which takes half of the CPU time."""
    c0, c1, c2, c3 = (word.numpy().astype(np.uint64) for word in counter)
    for number, (k0, k1) in enumerate(_round_keys(key)):
        if number == _SMALL_ROUNDS:
            shape = np.broadcast_shapes(c0.shape, c1.shape, c2.shape, c3.shape)
            c0, c1, c2, c3 = (
                np.array(np.broadcast_to(word, shape), order="C") for word in (c0, c1, c2, c3)
            )
            product0, product1 = np.empty_like(c0), np.empty_like(c0)
        if number < _SMALL_ROUNDS:
            product0, product1 = c0 * _CPU_MULTIPLIERS[0], c2 * _CPU_MULTIPLIERS[1]
            c0, c2 = _mixed_on_cpu(product1, c1, k0), _mixed_on_cpu(product0, c3, k1)
        else:
            np.multiply(c0, _CPU_MULTIPLIERS[0], out=product0)
            np.multiply(c2, _CPU_MULTIPLIERS[1], out=product1)
            _mix_on_cpu(product1, c1, k0, out=c0)
            _mix_on_cpu(product0, c3, k1, out=c2)
        c1, product1 = product1, c1
        c3, product0 = product0, c3
    words = np.stack((c0, c1, c2, c3), axis=-1)
    return torch.from_numpy(np.bitwise_and(words, _CPU_WORD, out=words).view(np.int64))


def _mixed_on_cpu(product: Words, word: Words, key: int) -> Words:
    return ((product >> _CPU_SHIFT) ^ np.uint64(key) ^ word) & _CPU_WORD


def _mix_on_cpu(product: Words, word: Words, key: int, *, out: Words) -> None:
    np.right_shift(product, _CPU_SHIFT, out=out)
    np.bitwise_xor(out, word, out=out)
    np.bitwise_xor(out, np.uint64(key), out=out)
    np.bitwise_and(out, _CPU_WORD, out=out)


def _round_keys(key: tuple[int, int]) -> Iterator[tuple[int, int]]:
    k0, k1 = key
    for number in range(_ROUNDS):
        yield (k0 + number * _KEY_STEPS[0]) & _WORD, (k1 + number * _KEY_STEPS[1]) & _WORD


def random_words(sample_B: Tensor, *, count: int, seed: int, stream: int) -> Tensor:
    """`count` 32-bit words for each sample number, as int64 of shape (B, count).

    `seed` (64 bits) and `stream` (32 bits) select independent families; the device is `sample_B`'s.
    """
    blocks = -(-count // 4)
    word = torch.arange(blocks, device=sample_B.device)[None, :]
    sample = sample_B[:, None]
    stream_word = torch.full((1, 1), stream, device=sample_B.device)
    counter = (word, sample & _WORD, (sample >> 32) & _WORD, stream_word)
    words = philox_4x32(counter, (seed & _WORD, (seed >> 32) & _WORD))
    return words.reshape(len(sample_B), 4 * blocks)[:, :count]


def uniform(sample_B: Tensor, *, count: int, seed: int, stream: int) -> Tensor:
    """float32 uniforms in [0, 1) of shape (B, count), with the 24 bits that float32 can hold."""
    return to_uniform(random_words(sample_B, count=count, seed=seed, stream=stream))


def to_uniform(words: Tensor) -> Tensor:
    """Random 32-bit words as float32 uniforms in [0, 1)."""
    return (words >> 8).to(torch.float32).mul_(2.0**-24)


def below(words: Tensor, probability: float) -> Tensor:
    """`to_uniform(words) < probability`, exactly, without making the floats."""
    return words < math.ceil(float(np.float32(probability)) * 2.0**24) << 8
