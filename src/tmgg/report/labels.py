"""Short labels that still tell apart what they name. Pure."""

from collections.abc import Sequence
from itertools import takewhile

from tmgg.console.overrides import typed

LABEL_LETTERS = 24
LETTER_WIDTH = 6.4
"""Of a label's letter, on average, in the units of figures."""
NOT_SET = "(not set)"


def shortened(text: str, letters: int = LABEL_LETTERS) -> str:
    """With its middle left out, for labels; the whole is in the title."""
    if len(text) <= letters:
        return text
    half = (letters - 1) // 2
    return f"{text[:half]}…{text[-half:]}"


def labels_apart(texts: Sequence[str], letters: int) -> list[str]:
    """Each in at most so many letters, those that differ never alike.

    What all begin with or end in is left out first; where that is not enough, it is their numbers.
    """
    begin = _alike(texts)
    end = _alike([text[begin:][::-1] for text in texts])
    cores = [_core(text, begin, end) for text in texts]
    for words in (texts, cores):
        shown = [shortened(each, letters) for each in words]
        if len({*shown}) == len({*texts}):
            return shown
    return [f"#{number}" for number in range(len(texts))]


def label_of_value(text: str) -> str:
    """A hyperparameter's value, without quotes."""
    value = typed(text)
    return (value if isinstance(value, str) else text) or NOT_SET


def width_of(labels: Sequence[str]) -> float:
    """Room for the longest of them."""
    return LETTER_WIDTH * max(map(len, labels), default=0)


def _alike(texts: Sequence[str]) -> int:
    """With how many letters all of them begin."""
    columns = zip(*texts, strict=False)
    return sum(1 for _letters in takewhile(lambda letters: len({*letters}) == 1, columns))


def _core(text: str, begin: int, end: int) -> str:
    before, after = ("…" if begin else ""), ("…" if end else "")
    return f"{before}{text[begin : len(text) - end]}{after}"
