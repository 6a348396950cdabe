import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from tmgg.denoising.philox import (
    _rounds,
    below,
    philox_4x32,
    random_words,
    to_uniform,
    uniform,
)

# Known answers of Random123, the authors' own implementation (kat_vectors, "philox4x32 10").
KNOWN_ANSWERS = [
    ((0, 0, 0, 0), (0, 0), "6627e8d5 e169c58d bc57ac4c 9b00dbd8"),
    ((0xFFFFFFFF,) * 4, (0xFFFFFFFF,) * 2, "408f276d 41c83b0e a20bc7c6 6d5451fd"),
    (
        (0x243F6A88, 0x85A308D3, 0x13198A2E, 0x03707344),
        (0xA4093822, 0x299F31D0),
        "d16cfe09 94fdcceb 5001e420 24126ea1",
    ),
]


@pytest.mark.parametrize(("counter", "key", "answer"), KNOWN_ANSWERS)
def test_equals_the_published_known_answers(
    counter: tuple[int, int, int, int], key: tuple[int, int], answer: str
) -> None:
    words = philox_4x32(
        (
            torch.tensor(counter[0]),
            torch.tensor(counter[1]),
            torch.tensor(counter[2]),
            torch.tensor(counter[3]),
        ),
        key,
    )
    assert [f"{word:08x}" for word in words.tolist()] == answer.split()


def test_a_cpu_and_a_gpu_have_the_same_words() -> None:
    """`_rounds` is what runs on a GPU."""
    counter = (
        torch.arange(9)[None, :],
        torch.tensor([[0], [7], [2**32 - 1]]),
        torch.tensor([[3], [0], [2**31]]),
        torch.full((1, 1), 5),
    )
    assert torch.equal(philox_4x32(counter, (11, 2**32 - 2)), _rounds(counter, (11, 2**32 - 2)))


@given(word=st.integers(0, 2**32 - 1), probability=st.floats(0.0, 1.0))
def test_a_word_is_below_a_probability_when_its_uniform_is(word: int, probability: float) -> None:
    edge = int(probability * 2**32)
    near = [min(max(edge + shift, 0), 2**32 - 1) for shift in (-256, -1, 0, 1, 255, 256)]
    words = torch.tensor([word, *near])
    assert torch.equal(below(words, probability), to_uniform(words) < probability)


@given(
    seed=st.integers(0, 2**64 - 1),
    stream=st.integers(0, 2**32 - 1),
    samples=st.lists(st.integers(0, 2**62), min_size=1, max_size=5),
    count=st.integers(1, 30),
)
def test_a_sample_is_the_same_alone_and_in_any_company(
    seed: int, stream: int, samples: list[int], count: int
) -> None:
    together = random_words(torch.tensor(samples), count=count, seed=seed, stream=stream)
    for row, sample in enumerate(samples):
        alone = random_words(torch.tensor([sample]), count=count + 7, seed=seed, stream=stream)
        assert torch.equal(together[row], alone[0, :count])


def test_sample_seed_and_stream_each_change_every_draw() -> None:
    def draw(sample: int, *, seed: int, stream: int) -> torch.Tensor:
        return random_words(torch.tensor([sample]), count=64, seed=seed, stream=stream)

    base = draw(5, seed=1, stream=0)
    others = [
        draw(6, seed=1, stream=0),
        draw(5 + 2**32, seed=1, stream=0),
        draw(5, seed=2, stream=0),
        draw(5, seed=1 + 2**32, stream=0),
        draw(5, seed=1, stream=1),
    ]
    for other in others:
        assert (other == base).sum() == 0


def test_uniforms_fill_the_unit_interval_evenly() -> None:
    u = uniform(torch.arange(1000), count=1000, seed=3, stream=0)
    assert u.dtype == torch.float32
    assert float(u.min()) >= 0.0
    assert float(u.max()) < 1.0
    counts = torch.histc(u, bins=100, min=0.0, max=1.0)
    # 10^6 draws over 100 bins: chi-squared with 99 degrees of freedom, 160 is beyond p = 1e-4.
    assert float(((counts - 1e4) ** 2 / 1e4).sum()) < 160.0
    neighbours = torch.corrcoef(torch.stack([u[:, :-1].flatten(), u[:, 1:].flatten()]))[0, 1]
    rows = torch.corrcoef(torch.stack([u[:-1].flatten(), u[1:].flatten()]))[0, 1]
    assert abs(float(neighbours)) < 5e-3
    assert abs(float(rows)) < 5e-3
