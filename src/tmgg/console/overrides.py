"""How the runs of a sweep differ: the overrides in their titles, one by one."""

import re
from collections.abc import Hashable, Mapping, Sequence
from typing import TypeVar

Overrides = Mapping[str, str]
"""The value of each key, as the user wrote it."""
_OVERRIDE = re.compile(
    r"(?P<sign>~|\+{0,2})(?P<key>[A-Za-z_$][\w./@:$-]*)(?:=(?P<value>.*))?", re.S
)
_Run = TypeVar("_Run", bound=Hashable)
_INTEGER = re.compile(r"[+-]?(0|[1-9](_?\d)*)")
_FLOAT = re.compile(r"[+-]?(\d+\.\d*|\.\d+|\d+(?=[eE]))([eE][+-]?\d+)?|[+-]?(inf|nan)", re.I)
_BEFORE_A_PART = re.compile(r"[./@]")
_OPENING, _CLOSING = "([{", ")]}"
_WORDS = {"true": True, "false": False, "null": None}


def parse_title(title: str) -> Overrides | None:
    """The overrides in a title; None for a title that is other text. Pure."""
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
    """The keys whose values differ between rows; all keys if there is only one row."""
    keys = list(dict.fromkeys(key for row in rows for key in row))
    return [key for key in keys if len(rows) == 1 or len({row.get(key) for row in rows}) > 1]


def short_names(keys: Sequence[str]) -> dict[str, str]:
    """For each key its last parts, as many as no other key ends with: `learning_rate`.

    The last part of a group is its package: `model` for `models/denoising@model`.
    """
    return {key: _short(key, keys) for key in keys}


def in_short(titles: Mapping[_Run, str]) -> dict[_Run, str]:
    """Shorten titles to the overrides that vary, with short names. Pure.

    A single title stays as it is. So do all titles if one of them is not made of overrides.
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
    """The value of a text, for programs: a number, a truth value, None, or text."""
    if text.lower() in _WORDS:  # Hydra's grammar takes `True`, and writes it
        return _WORDS[text.lower()]
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
    """Split before each override; values may contain spaces, brackets and quotes."""
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
