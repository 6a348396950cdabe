"""How the runs of a sweep differ: the overrides in their titles, one by one."""

import re
from collections.abc import Hashable, Mapping, Sequence
from typing import TypeVar

Overrides = Mapping[str, str]
"""What each key was set to, as it was written."""
_OVERRIDE = re.compile(
    r"(?P<sign>~|\+{0,2})(?P<key>[A-Za-z_$][\w./@:$-]*)(?:=(?P<value>.*))?", re.S
)
_Run = TypeVar("_Run", bound=Hashable)
_INTEGER = re.compile(r"[+-]?(0|[1-9]\d*)")
_FLOAT = re.compile(r"[+-]?(\d+\.\d*|\.\d+|\d+(?=[eE]))([eE][+-]?\d+)?|[+-]?(inf|nan)")
_BEFORE_A_PART = re.compile(r"[./@]")
_OPENING, _CLOSING = "([{", ")]}"
_WORDS = {"true": True, "false": False, "null": None}


def parse_title(title: str) -> Overrides | None:
    """The overrides that a title is made of; None for a title of other words. Pure."""
    found: dict[str, str] = {}
    for piece in _pieces(title):
        override = _OVERRIDE.fullmatch(piece)
        if override is None:
            return None
        if override["value"] is None:
            if override["sign"] != "~":
                return None
            found[f"~{override['key']}"] = ""
        else:
            found[override["key"]] = override["value"]
    return found


def varying(rows: Sequence[Overrides]) -> list[str]:
    """The keys that do not have one value in all rows; all keys of a row that is alone."""
    keys = list(dict.fromkeys(key for row in rows for key in row))
    return [key for key in keys if len(rows) == 1 or len({row.get(key) for row in rows}) > 1]


def short_names(keys: Sequence[str]) -> dict[str, str]:
    """Each key by its last parts, as many as tell it from the others: `learning_rate`.

    A group's package is its last part: `model` of `models/denoising@model`.
    """
    return {key: _short(key, keys) for key in keys}


def in_short(titles: Mapping[_Run, str]) -> dict[_Run, str]:
    """Each title by what varies among them, under short names; titles of other words as they are.

    A run that is alone keeps its title. Pure.
    """
    parsed = {run: parse_title(title) for run, title in titles.items()}
    overrides = [each for each in parsed.values() if each is not None]
    if len(titles) < 2 or len(overrides) < len(titles):
        return dict(titles)
    keys = varying(overrides)
    names = short_names(keys)
    return {
        run: " ".join(_as_word(names, key, each[key]) for key in keys if key in each)
        for run, each in zip(parsed, overrides, strict=True)
    }


def typed(text: str) -> str | int | float | bool | None:
    """A value as a program would have it: a number, a truth value, None, or text."""
    if text in _WORDS:
        return _WORDS[text]
    if _INTEGER.fullmatch(text):
        return int(text)
    if _FLOAT.fullmatch(text):
        return float(text)
    quoted = len(text) > 1 and text[0] == text[-1] and text[0] in "'\""
    return text[1:-1].replace(f"\\{text[0]}", text[0]) if quoted else text


def _as_word(names: Mapping[str, str], key: str, value: str) -> str:
    return key if key.startswith("~") else f"{names[key]}={value}"


def _short(key: str, keys: Sequence[str]) -> str:
    endings = [key[found.end() :] for found in _BEFORE_A_PART.finditer(key)]
    for name in reversed(endings):
        if name and sum(_ends_in(other, name) for other in keys) == 1:
            return name
    return key


def _ends_in(key: str, name: str) -> bool:
    return key == name or any(key.endswith(f"{sign}{name}") for sign in "./@")


def _pieces(title: str) -> list[str]:
    """Split where the next override begins; values may have spaces, brackets and quotes in them."""
    pieces: list[str] = []
    for word in _words(title):
        begins = _OVERRIDE.fullmatch(word)
        if not pieces or (begins is not None and (begins["value"] is not None or begins["sign"])):
            pieces.append(word)
        else:
            pieces[-1] += f" {word}"
    return pieces


def _words(title: str) -> list[str]:
    """Split at spaces outside quotes and brackets."""
    words, word, quote, depth, escaped = [], "", "", 0, False
    for letter in title:
        if letter == " " and not (quote or depth or escaped):
            words.append(word)
            word = ""
            continue
        word += letter
        if escaped or letter == "\\":
            escaped = not escaped
        elif quote:
            quote = "" if letter == quote else quote
        elif letter in "'\"":
            quote = letter
        elif letter in _OPENING:
            depth += 1
        elif letter in _CLOSING:
            depth = max(0, depth - 1)
    return [each for each in [*words, word] if each]
