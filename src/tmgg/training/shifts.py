"""Graphs and noise of another kind than the training's, as cells of a table."""

import re
from collections.abc import Mapping
from dataclasses import dataclass

from tmgg.denoising.noise import FlipNoise, NoiseConfig
from tmgg.denoising.noise_range import FlipRangeNoise
from tmgg.errors import ConfigError
from tmgg.training.graph_data import DataConfig, Variant
from tmgg.training.parsing import parse_dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Shift(Variant):
    """One cell: how its graphs differ from those of `data`, and how much they are flipped."""

    name: str
    """Part of the names of its metrics: small letters, digits and underscores."""
    eps: float = 0.1
    """Probability of a flip."""

    def __post_init__(self) -> None:
        if not re.fullmatch(r"[a-z0-9_]+", self.name):
            raise ConfigError(
                f"shifts has the name {self.name!r}; it needs small letters, digits and underscores"
            )
        FlipNoise(eps=self.eps)

    def require_possible(self, data: DataConfig, noise: NoiseConfig | FlipRangeNoise) -> None:
        """Raise ConfigError if the model is not made for such graphs or flips."""
        self.of(data)
        if type(noise) is FlipNoise and noise.eps != self.eps:
            raise ConfigError(
                f"the shift {self.name} has eps={self.eps}, but the model is trained for "
                f"noise.eps={noise.eps} and does not get the rate; use noise=flip_range, or the "
                "same eps"
            )
        if not isinstance(noise, FlipNoise | FlipRangeNoise):
            raise ConfigError(
                f"the shift {self.name} flips pairs, but the noise is {type(noise).__name__}; "
                "use noise=flip or noise=flip_range, or shifts=[]"
            )


def parse_shifts(value: object) -> tuple[Shift, ...]:
    """From the list under `shifts:` of a config; raises ConfigError."""
    if value is None:
        return ()
    if not isinstance(value, list | tuple) or not all(isinstance(item, Mapping) for item in value):
        raise ConfigError(f"shifts is {value!r}; expected a list of groups of keys")
    if missing := [item for item in value if "name" not in item]:
        raise ConfigError(f"shifts has {dict(missing[0])}; give each a name")
    found = tuple(parse_dataclass(Shift, item, group="shifts") for item in value)
    if len({item.name for item in found}) < len(found):
        raise ConfigError("shifts has two items of the same name; give each its own")
    return found
