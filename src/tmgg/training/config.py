"""Settings of a training run, validated once, before anything is computed or written."""

import dataclasses
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from tmgg.denoising.graphs import SbmConfig
from tmgg.denoising.noise import NOISES, FlipNoise, NoiseConfig
from tmgg.errors import ConfigError
from tmgg.models import MODELS, ModelConfig
from tmgg.models.filter_bank import FilterBankConfig
from tmgg.training.parsing import parse_choice, parse_dataclass, require_known

RUNNER_KEYS = ("experiment", "run_id", "stage")
"""Top-level keys that say what runs and under which name; training does not look at them."""

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
    pair_seed: int = 42
    """Which pair protocol `fixed_pair` uses."""

    def __post_init__(self) -> None:
        # Zero-argument super() does not work in a dataclass with slots: it is a rebuilt class.
        SbmConfig.__post_init__(self)
        if self.validation_graphs < 1:
            raise ConfigError(f"data.validation_graphs is {self.validation_graphs}; give 1 or more")
        require_seed("data.validation_seed", self.validation_seed)
        require_seed("data.pair_seed", self.pair_seed)


_DATA = {"sbm": DataConfig}
_COUNTS = ("steps", "batch_size", "validate_every", "checkpoint_every")
_NOT_SCIENTIFIC = (
    "validate_every", "checkpoint_every", "logger", "accelerator", "workers", "cpu_threads",
)  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainerConfig:
    """How long and how a model is trained, and what is written meanwhile."""

    steps: int = 300
    """Optimiser steps; the learning-rate schedule spans exactly these."""
    batch_size: int = 64
    """Graphs per step over all workers together."""
    learning_rate: float = 1e-2
    """Peak of the one-cycle schedule."""
    weight_decay: float = 1e-4
    """Decoupled weight decay of AdamW."""
    clip_norm: float = 1.0
    """Gradients are scaled down to this norm when theirs is larger."""
    validate_every: int = 100
    """Steps between validations; the end of training is always validated."""
    checkpoint_every: int = 100
    """Steps between writes of the checkpoint `last`; it is also written at the end."""
    logger: Literal["csv", "tensorboard", "wandb"] = "csv"
    """Where curves go besides the CSV file, which is always written."""
    accelerator: Literal["auto", "cpu", "gpu"] = "auto"
    """`auto` is the GPU where PyTorch sees one, else the CPU."""
    workers: int | None = None
    """Processes that train together, each on its part of every batch. null is one for each GPU of
    the run's Ray cluster, or one for each node where PyTorch sees no GPU, and 1 without a cluster;
    1 trains in the experiment's own process."""
    cpu_threads: int | None = 1
    """Threads PyTorch computes with. 1 makes CPU results equal bit by bit on any number of
    cores; null leaves PyTorch's own choice."""

    def __post_init__(self) -> None:
        for name in (*_COUNTS, "workers", "cpu_threads"):
            value = getattr(self, name)
            if value is not None and value < 1:
                raise ConfigError(f"trainer.{name} is {value}; give 1 or more")
        for name in ("learning_rate", "clip_norm"):
            if not 0.0 < getattr(self, name) < math.inf:
                raise ConfigError(f"trainer.{name} is {getattr(self, name)}; give a number above 0")
        if not 0.0 <= self.weight_decay < math.inf:
            raise ConfigError(f"trainer.weight_decay is {self.weight_decay}; give 0 or more")


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Everything a training run depends on."""

    data: DataConfig = field(default_factory=DataConfig)
    noise: NoiseConfig = field(default_factory=FlipNoise)
    model: ModelConfig = field(default_factory=FilterBankConfig)
    trainer: TrainerConfig = field(default_factory=TrainerConfig)
    seed: int = 0
    """Of the model's first weights and of the training graphs."""
    output_dir: Path = field(default_factory=Path)
    """Where checkpoints and logs go; created when missing."""
    resume_from: Path | None = None
    """A checkpoint to go on from; null starts afresh."""

    def __post_init__(self) -> None:
        require_seed("seed", self.seed)
        if not 1 <= self.model.k <= self.data.n:
            raise ConfigError(
                f"model.k is {self.model.k}; a graph of data.n={self.data.n} nodes "
                f"has 1 to {self.data.n} eigenpairs"
            )
        if self.data.protocol == "fixed_pair" and self.trainer.batch_size != 1:
            raise ConfigError(
                f"trainer.batch_size is {self.trainer.batch_size} with data.protocol=fixed_pair; "
                "there is one graph only: set trainer.batch_size=1"
            )

    @property
    def scientific(self) -> dict[str, object]:
        """The settings that results depend on, as plain values; the rest may change on resume."""
        trainer = dataclasses.asdict(self.trainer)
        for name in _NOT_SCIENTIFIC:
            del trainer[name]
        return {
            "data": dataclasses.asdict(self.data),
            "noise": {"name": type(self.noise).__name__, **dataclasses.asdict(self.noise)},
            "model": {"name": type(self.model).__name__, **dataclasses.asdict(self.model)},
            "trainer": trainer,
            "seed": self.seed,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class _TopLevel:
    """The keys of a config that are no group."""

    seed: int = 0
    output_dir: str | None = None
    resume_from: str | None = None


def parse_settings(config: Mapping[str, object]) -> Settings:
    """Settings from a plain config; raises ConfigError on anything that is not right.

    Missing groups and keys keep their defaults, a missing output directory is the current one.
    `RUNNER_KEYS` are accepted and ignored.
    """
    single = [item.name for item in dataclasses.fields(_TopLevel)]
    require_known(config, ["data", "noise", "model", "trainer", *single, *RUNNER_KEYS], group="")
    given = {key: config[key] for key in single if key in config}
    top = parse_dataclass(_TopLevel, given, group="")
    models = {name: entry.config for name, entry in MODELS.items()}
    return Settings(
        data=parse_choice(_DATA, _group(config, "data"), group="data", default="sbm"),
        noise=parse_choice(NOISES, _group(config, "noise"), group="noise", default="flip"),
        model=parse_choice(models, _group(config, "model"), group="model", default="filter_bank"),
        trainer=parse_dataclass(TrainerConfig, _group(config, "trainer"), group="trainer"),
        seed=top.seed,
        output_dir=Path(top.output_dir or "."),
        resume_from=Path(top.resume_from) if top.resume_from else None,
    )


def _group(config: Mapping[str, object], name: str) -> Mapping[str, object]:
    values = config.get(name, {})
    if not isinstance(values, Mapping):
        raise ConfigError(f"{name} is {values!r}; expected a group of keys")
    return values


def require_seed(name: str, seed: int) -> None:
    """Raise ConfigError unless `seed` fits the 32 bits the generators keep for it."""
    if not 0 <= seed < _MAX_SEED:
        raise ConfigError(f"{name} is {seed}; a seed lies from 0 to {_MAX_SEED - 1}")
