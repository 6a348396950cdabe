"""Which graphs a training draws, as settings."""

from dataclasses import dataclass
from typing import Literal

from tmgg.denoising.graphs import SbmConfig
from tmgg.errors import ConfigError

_MAX_SEED = 2**32


@dataclass(frozen=True, slots=True, kw_only=True)
class DataConfig(SbmConfig):
    """A distribution over graphs, and what is drawn from it."""

    protocol: Literal["fresh", "fixed_pair"] = "fresh"
    """`fresh`: new graphs and new noise at every step, so that nothing can be memorised.
    `fixed_pair`: one noisy graph and its clean original, for training and validation alike."""
    validation_graphs: int = 256
    """Size of the fixed validation set of protocol `fresh`."""
    validation_seed: int = 7
    """Which validation set; the same for every `seed`, so that runs compare."""
    test_graphs: int = 1024
    """Size of the fixed test set of protocol `fresh`, on which the trained weights are reported;
    nothing is chosen by it."""
    test_seed: int = 13
    """Which test set."""
    pair_seed: int = 42
    """Which pair protocol `fixed_pair` uses."""

    def __post_init__(self) -> None:
        # Zero-argument super() does not work in a dataclass with slots: it is a rebuilt class.
        SbmConfig.__post_init__(self)
        if self.validation_graphs < 1:
            raise ConfigError(f"data.validation_graphs is {self.validation_graphs}; give 1 or more")
        require_seed("data.validation_seed", self.validation_seed)
        if self.test_graphs < 2:
            raise ConfigError(f"data.test_graphs is {self.test_graphs}; give 2 or more")
        require_seed("data.test_seed", self.test_seed)
        require_seed("data.pair_seed", self.pair_seed)

    @property
    def distributions(self) -> tuple[SbmConfig, ...]:
        """The distributions of the graphs. Each batch comes from one of them, in turn."""
        return (self,)


@dataclass(frozen=True, slots=True, kw_only=True)
class Variant:
    """A distribution that differs from that of `data` in the fields that are given here."""

    size: float = 1.0
    """Nodes, as a multiple of `data.n`."""
    blocks: tuple[int, ...] | None = None
    """Null is `data.blocks`; `[1]` is Erdős-Rényi with edge probability `p_in`."""
    p_in: float | None = None
    p_out: float | None = None

    def of(self, base: SbmConfig) -> SbmConfig:
        """The distribution; raises ConfigError if it is not valid."""
        return SbmConfig(
            n=round(self.size * base.n),
            blocks=base.blocks if self.blocks is None else self.blocks,
            p_in=base.p_in if self.p_in is None else self.p_in,
            p_out=base.p_out if self.p_out is None else self.p_out,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class MixedDataConfig(DataConfig):
    """Several distributions, each with the same share of the graphs."""

    members: tuple[Variant, ...] = (Variant(),)
    """How each differs from `n`, `blocks`, `p_in` and `p_out` above."""

    def __post_init__(self) -> None:
        DataConfig.__post_init__(self)
        if not self.members:
            raise ConfigError("data.members is empty; give one or more variants of the graphs")
        if self.protocol == "fixed_pair":
            raise ConfigError("data.protocol is fixed_pair, which has one graph; data is a mixture")
        for member in self.members:
            member.of(self)

    @property
    def distributions(self) -> tuple[SbmConfig, ...]:
        """See `DataConfig.distributions`."""
        return tuple(member.of(self) for member in self.members)

    @property
    def density(self) -> float:
        """The mean over the members."""
        found = [member.density for member in self.distributions]
        return sum(found) / len(found)


def require_seed(name: str, seed: int) -> None:
    """Raise ConfigError unless `seed` fits the 32 bits the generators keep for it."""
    if not 0 <= seed < _MAX_SEED:
        raise ConfigError(f"{name} is {seed}; a seed must be from 0 to {_MAX_SEED - 1}")
