"""The one rule that turns the value returned by a task into metrics: numbers by name.

Numbers are those of Python, numpy, torch, torchmetrics, `decimal` and `fractions`, and every object
whose `item()` returns one. Names come from mappings, dataclasses and named tuples, and are joined
by dots if these are nested. No library is imported for this.

A task may return an object of any class, so any access to it may raise. Such an object does not
count as a number; the values beside it are kept.
"""

import dataclasses
import logging
import numbers
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from os import PathLike
from typing import Any

from tmgg.errors import TaskError
from tmgg.experiment_utils.error_text import text_of
from tmgg.experiment_utils.some_names import some_of

log = logging.getLogger(__name__)

CHECKPOINT = "checkpoint_path"
BARE_NAME = "value"
MOST_WITHOUT_NAMES = 50
"""A longer list without names counts as data: as one value."""
_NAMES_SHOWN = 10
# A deeper mapping or object counts as one value: programs that read it could not go further.
_MOST_LEVELS = 100
# JSON's reader in Python refuses whole numbers of more than 4300 digits.
_MOST_BITS = 14_000


@dataclass(frozen=True, slots=True)
class Returned:
    """The value that a task returned, sorted."""

    metrics: dict[str, float]
    checkpoint_path: str | None
    no_numbers: dict[str, object]
    """Values that are neither numbers nor the checkpoint, by name."""
    lost: list[str] = field(default_factory=list)
    """Names that occurred again; only the first value of a name is kept."""


def sort_returned(returned: object, *, bare_name: str = BARE_NAME) -> Returned:
    """Find the numbers in `returned`; None contains no values.

    A number without a name gets the name `bare_name`; the numbers of a plain list or tuple, if it
    is not long, get `value_0`, `value_1` and so on. It never raises: the value of a task that took
    hours must not be lost because of its numbers.
    """
    try:
        return _sorted(returned, bare_name)
    except Exception as error:  # a class that raises in a way that was not foreseen
        kind = type(returned).__name__
        log.warning("the numbers in a returned %s cannot be had: %s", kind, text_of(error))
        return Returned({}, None, {bare_name: returned})


def _sorted(returned: object, bare_name: str) -> Returned:
    metrics: dict[str, float] = {}
    no_numbers: dict[str, object] = {}
    lost: list[str] = []
    seen: set[str] = set()
    checkpoint = None
    for name, value in _named(returned, bare_name):
        if name in seen:
            lost.append(name)
            continue
        seen.add(name)
        number = number_of(value)
        if name == CHECKPOINT and (value is None or _is_a(value, (str, PathLike))):
            checkpoint = None if value is None else _text_of(value)
        elif number is None or name == CHECKPOINT:
            no_numbers[name] = value
        else:
            metrics[name] = number
    return Returned(metrics, checkpoint, no_numbers, lost)


def check_returned(returned: object, *, bare_name: str = BARE_NAME) -> Returned:
    """As `sort_returned`, for an experiment; raises TaskError for values that are no numbers.

    A Hydra app may return anything. An experiment (`package.module:function`) must return names and
    numbers, so a list without names is an error, too.
    """
    if _is_plain_sequence(returned):
        raise _refusal(BARE_NAME, returned)
    found = sort_returned(returned, bare_name=bare_name)
    for name, value in found.no_numbers.items():
        raise _refusal(name, value)
    name_lost(found.lost)
    return found


def name_no_numbers(no_numbers: Mapping[str, object]) -> None:
    """Log one warning about these values, with the first ten names and the number of the others."""
    if len(no_numbers) == 1:
        log.warning("1 value is not a number: %s", _listed(list(no_numbers)))
    elif no_numbers:
        log.warning("%d values are not numbers: %s", len(no_numbers), _listed(list(no_numbers)))


def name_lost(names: Sequence[str]) -> None:
    """Log one warning about values that are not kept because another one has the same name."""
    if names:
        log.warning("other values have these names, and were kept instead: %s", _listed(names))


def _listed(names: Sequence[str]) -> str:
    return some_of(names, _NAMES_SHOWN).replace("\n", "\\n")


def number_of(value: Any) -> float | None:
    """`value` as a Python number; None if it is no number. A bool stays a bool.

    An array counts as a number if it has one element.
    """
    plain = _plain_number(value)
    if plain is not None:
        return plain
    item = _asked_for(value, "item")
    if _is_a(value, type) or not callable(item):
        return None
    try:
        return _plain_number(item())
    except Exception:  # an array of several elements, a tensor without data, or any class
        return None


def _asked_for(value: object, name: str) -> Any:
    """The object's attribute, also from `__getattr__`; None if it has none, or raises an error.

    `program.parts.attribute_of` does not run `__getattr__`.
    """
    try:
        return getattr(value, name, None)
    except Exception:
        return None


def _is_a(value: object, kind: type | tuple[type, ...]) -> bool:
    """As `isinstance`; False if the object raises an error when its class is read."""
    try:
        return isinstance(value, kind)
    except Exception:
        return False


def _plain_number(value: object) -> float | None:
    if type(value) in (bool, float):
        return value  # type: ignore[return-value]
    try:
        if isinstance(value, int):
            return int(value) if value.bit_length() < _MOST_BITS else None
        if isinstance(value, numbers.Real | Decimal):
            return float(value)
    except Exception:  # a signalling NaN; a fraction too large for a float; any class
        return None
    return None


def _named(returned: object, bare_name: str) -> Iterator[tuple[str, object]]:
    if returned is None:
        return
    items = _unnamed(returned)
    if items is None:
        yield from _flat("", returned, (), bare_name)
        return
    for index, item in enumerate(items):
        yield from _flat(f"{BARE_NAME}_{index}", item, ())


def _unnamed(returned: object) -> list[object] | None:
    """The values of a short list or tuple without names; None for any other object."""
    if not _is_plain_sequence(returned):
        return None
    try:
        items = list(returned)  # type: ignore[call-overload]
    except Exception:  # a subclass may raise anything
        return None
    return items if len(items) <= MOST_WITHOUT_NAMES else None


def _flat(
    name: str, value: object, inside: tuple[int, ...], bare_name: str = BARE_NAME
) -> Iterator[tuple[str, object]]:
    """The values within `value`, with their names.

    `inside` are the ids of the objects that contain it, because an object may contain itself.
    """
    value = _computed(value)
    parts = None if id(value) in inside or len(inside) >= _MOST_LEVELS else _parts(value)
    if parts is None:
        yield name or bare_name, value
        return
    for key, item in parts:
        yield from _flat(f"{name}.{key}" if name else key, item, (*inside, id(value)))


def _parts(value: object) -> list[tuple[str, object]] | None:
    """The names and values in a mapping, dataclass or named tuple; None for any other object."""
    try:
        if isinstance(value, Mapping):
            return [(_text_of(key), _entry(value, key)) for key in value]
        if dataclasses.is_dataclass(value) and not isinstance(value, type):
            names = [field.name for field in dataclasses.fields(value)]
            return [(name, _asked_for(value, name)) for name in names]
        if isinstance(value, tuple) and (names := _asked_for(value, "_fields")) is not None:
            return list(zip(map(str, names), value, strict=True))
    except Exception:  # any class may raise; the object then counts as one value
        return None
    return None


def _entry(mapping: Mapping[Any, object], key: object) -> object:
    try:
        return mapping[key]
    except Exception:  # a missing value (???) of a config; any class of mappings
        return None


def _text_of(value: object) -> str:
    try:
        return str(value)
    except Exception:  # any class may raise
        return type(value).__name__


def _computed(value: object) -> object:
    """The result of a torchmetrics metric; any other object unchanged."""
    methods = [_asked_for(value, name) for name in ("compute", "update", "reset")]
    if _is_a(value, type) or not all(map(callable, methods)):
        return value
    try:
        return methods[0]()
    except Exception as error:  # it got no data, or not enough
        kind = type(value).__name__
        log.warning("the compute() of a returned %s failed: %s", kind, text_of(error))
        return value


def _is_plain_sequence(value: object) -> bool:
    return _is_a(value, (list, tuple)) and _asked_for(value, "_fields") is None


def _refusal(name: str, value: object) -> TaskError:
    return TaskError(
        f"the experiment returned {name}={_shown(value)}, a {type(value).__name__}. Return a "
        "mapping of names to numbers (and 'checkpoint_path', if there is one)."
    )


def _shown(value: object) -> str:
    try:
        return f"{value!r:.200}"
    except Exception:  # an integer with too many digits for text; any class
        return "..."
