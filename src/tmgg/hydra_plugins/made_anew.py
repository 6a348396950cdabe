"""Values that a resolver makes anew each time: an id, a random number, a temporary folder.

Such a value cannot tell two runs apart. Whether a resolver makes its values anew is found by asking
it twice. Then a name is put in place of the value, with the resolver and its arguments.
"""

import contextlib
import datetime
import functools
import numbers
import uuid
from collections.abc import Callable, Iterator, Mapping
from pathlib import PurePath
from typing import Any

from omegaconf import OmegaConf
from omegaconf.basecontainer import BaseContainer

from tmgg.experiment_utils.identity.run_identity import MADE_ANEW

_OWN = ("hydra", "now", "python_version")
"""Hydra's resolvers. Those of OmegaConf begin with `oc.`."""
_PLAIN = (str, bytes, numbers.Number, PurePath, uuid.UUID, datetime.date, datetime.time)
_ABSENT = object()


class MadeAnew:
    """Which calls of resolvers make their value anew. One object for all jobs of a launch."""

    def __init__(self, prefix: str = "") -> None:
        self._prefix = prefix
        self._is_made_anew: dict[tuple[str, str, str], bool] = {}
        self.named = 0
        """How often a name was given so far."""

    @contextlib.contextmanager
    def as_names(self) -> Iterator[None]:
        """Inside, such calls give names."""
        before = {
            name: resolver
            for name, resolver in BaseContainer._resolvers.items()
            if name not in _OWN and not name.startswith("oc.")
        }
        for name, resolver in before.items():
            BaseContainer._resolvers[name] = functools.partial(self._resolve, name, resolver)
        try:
            yield
        finally:
            BaseContainer._resolvers.update(before)

    def _resolve(self, name: str, resolver: Callable[..., Any], *inputs: Any) -> Any:
        """OmegaConf gives the config first, and last the arguments: as values, as written."""
        arguments, written = inputs[-2:]
        call = (name, str(written), str(arguments))
        if call not in self._is_made_anew:
            self._is_made_anew[call] = _differs(name, resolver, inputs)
        if not self._is_made_anew[call]:
            return resolver(*inputs)
        self.named += 1
        return f"{self._prefix}{MADE_ANEW}{name}:{','.join(map(str, arguments))}>"


def _differs(name: str, resolver: Callable[..., Any], inputs: tuple[Any, ...]) -> bool:
    known = OmegaConf.get_cache(inputs[0]).get(name, {}).get(inputs[-1], _ABSENT)
    try:
        first = _asked(name, resolver, inputs)
        if known is not _ABSENT and _is_same(known, first):
            return False
        return not _is_same(first, _asked(name, resolver, inputs))
    except Exception:  # a resolver may run any code, and may need a real folder
        return False


def _asked(name: str, resolver: Callable[..., Any], inputs: tuple[Any, ...]) -> Any:
    """The value, not from the cache of the config. The cache stays as it is."""
    found, written = OmegaConf.get_cache(inputs[0])[name], inputs[-1]
    before = found.pop(written, _ABSENT)
    try:
        return resolver(*inputs)
    finally:
        found.pop(written, None)
        if before is not _ABSENT:
            found[written] = before


def _is_same(one: Any, other: Any) -> bool:
    """False only for plain values: other objects count by what is in them (`fingerprints`)."""
    if OmegaConf.is_config(one) and OmegaConf.is_config(other):
        one, other = OmegaConf.to_container(one), OmegaConf.to_container(other)
    if isinstance(one, Mapping) and isinstance(other, Mapping):
        one, other = [*one.items()], [*other.items()]
    if isinstance(one, list | tuple) and isinstance(other, list | tuple):
        return len(one) == len(other) and all(map(_is_same, one, other))
    if isinstance(one, _PLAIN) and isinstance(other, _PLAIN):
        return repr(one) == repr(other)
    return True
