"""Short labels that still differ. Pure."""

from collections.abc import Sequence
from itertools import takewhile

from tmgg.console.overrides import typed

LABEL_LETTERS = 24
LETTER_WIDTH = 6.4
"""The average width of a letter in a label, in the units of figures."""
NOT_SET = "(not set)"


def shortened(text: str, letters: int = LABEL_LETTERS) -> str:
    """The text for a label, without its middle if it is long. A title shows the whole text."""
    if len(text) <= letters:
        return text
    half = (letters - 1) // 2
    return f"{text[:half]}…{text[-half:]}"


def labels_apart(texts: Sequence[str], letters: int) -> list[str]:
    """Labels of at most `letters` letters. Different texts never have the same label.

    First their common beginning and end are left out. If this is not enough, labels are numbers.
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
    """The width of the longest label."""
    return LETTER_WIDTH * max(map(len, labels), default=0)


def _alike(texts: Sequence[str]) -> int:
    """The length of the beginning that all texts have in common."""
    columns = zip(*texts, strict=False)
    return sum(1 for _letters in takewhile(lambda letters: len({*letters}) == 1, columns))


def _core(text: str, begin: int, end: int) -> str:
    before, after = ("…" if begin else ""), ("…" if end else "")
    return f"{before}{text[begin : len(text) - end]}{after}"
