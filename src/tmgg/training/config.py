"""Settings of a training run, validated once, before anything is computed or written."""

import dataclasses
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from tmgg.denoising.noise import NOISES, DigressNoise, FlipNoise, NoiseConfig
from tmgg.denoising.noise_range import FlipRangeNoise
from tmgg.errors import ConfigError
from tmgg.models import MODELS, ModelConfig
from tmgg.models.filter_bank import FilterBankConfig
from tmgg.training.criteria import Criterion, parse_criteria
from tmgg.training.graph_data import DataConfig as DataConfig  # where others find it
from tmgg.training.graph_data import MixedDataConfig, require_seed
from tmgg.training.import_path import load_by_path
from tmgg.training.own_metrics import require_own_names
from tmgg.training.parsing import parse_choice, parse_dataclass, require_known
from tmgg.training.shifts import Shift, parse_shifts

RUNNER_KEYS = ("experiment", "run_id", "stage")
"""Top-level keys that say what runs and under which name; no result depends on them."""


DATA: Mapping[str, type[DataConfig]] = {"sbm": DataConfig, "mixed": MixedDataConfig}
"""The distributions over graphs by name."""
ALL_NOISES: Mapping[str, type[NoiseConfig | FlipRangeNoise]] = {
    **NOISES,
    "flip_range": FlipRangeNoise,
}
"""The noises by name."""
_COUNTS = ("steps", "batch_size", "validate_every", "checkpoint_every")
_NOT_SCIENTIFIC = (
    "validate_every", "checkpoint_every", "logger", "accelerator", "workers", "cpu_threads",
    "allow_idle_nodes", "bayes",
)  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainerConfig:
    """How long and how a model is trained, and what is written meanwhile."""

    steps: int = 300
    """Optimiser steps; the learning-rate schedule spans exactly these."""
    batch_size: int = 64
    """Graphs per step over all workers together."""
    batch_parts: int = 1
    """Number of parts of a batch whose gradients are added. Sums are rounded within a part and then
    over parts. So with 2, one worker gets the result of two workers, bit by bit if a model uses
    each weight once. Parts make small models slower."""
    learning_rate: float = 1e-2
    """Peak of the one-cycle schedule."""
    weight_decay: float = 1e-4
    """Decoupled weight decay of AdamW."""
    clip_norm: float = 1.0
    """Gradients with a larger norm are scaled down to this norm."""
    validate_every: int = 100
    """Steps between validations; the end of training is always validated."""
    checkpoint_every: int = 100
    """Steps between writes of the checkpoint `last`; it is also written at the end."""
    logger: Literal["csv", "tensorboard", "wandb"] = "csv"
    """Where curves go besides the CSV file, which is always written."""
    bayes: Literal["auto", "off"] = "auto"
    """Whether results are also compared with the true Bayes optimum. TMGG contains it for the
    default graphs. For others it is computed once, in up to minutes, and kept in ~/.tmgg/bayes."""
    accelerator: Literal["auto", "cpu", "gpu"] = "auto"
    """`auto` is the GPU if PyTorch sees one, else the CPU."""
    workers: int | None = None
    """Processes that train together, each on its part of every batch. null is one for each GPU of
    the run's Ray cluster, or one for each node if PyTorch sees no GPU, and 1 without a cluster;
    1 trains in the experiment's own process."""
    allow_idle_nodes: bool = False
    """Whether a run may have more nodes than workers, as for measuring how training scales."""
    cpu_threads: int | None = 1
    """Threads PyTorch computes with. 1 makes CPU results equal bit by bit on any number of
    cores; null leaves PyTorch's own choice."""

    def __post_init__(self) -> None:
        for name in (*_COUNTS, "batch_parts", "workers", "cpu_threads"):
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
    noise: NoiseConfig | FlipRangeNoise = field(default_factory=FlipNoise)
    model: ModelConfig = field(default_factory=FilterBankConfig)
    trainer: TrainerConfig = field(default_factory=TrainerConfig)
    seed: int = 0
    """Decides the model's first weights and the training graphs."""
    output_dir: Path = field(default_factory=Path)
    """Where checkpoints and logs go; created when missing."""
    resume_from: Path | None = None
    """A checkpoint to resume from; null starts a new training."""
    metrics: tuple[str, ...] = ()
    """Import paths of your own metrics; see docs/experiments.md."""
    criteria: tuple[Criterion, ...] = ()
    """What the result must reach for the stage to pass."""
    shifts: tuple[Shift, ...] = ()
    """Other graphs and noise that the trained model is tested on."""
    stage: str = field(default="custom", compare=False)
    """Loggers group runs by it."""
    run_id: str | None = field(default=None, compare=False)
    """The run's name for loggers; null means a name made of the model and the seed."""

    def __post_init__(self) -> None:
        require_seed("seed", self.seed)
        drawn = [*self.data.distributions, *(item.of(self.data) for item in self.shifts)]
        n = min(distribution.n for distribution in drawn)
        if not 1 <= self.model.k <= n:
            whose = "data.n" if n == self.data.n else "the smallest n"
            raise ConfigError(
                f"model.k is {self.model.k}; a graph of {whose}={n} nodes has 1 to {n} eigenpairs"
            )
        if isinstance(self.noise, DigressNoise):
            for distribution in self.data.distributions:
                self.noise.flip_rates(density=distribution.density)
        for item in self.shifts:
            item.require_possible(self.data, self.noise)
        if self.data.protocol == "fixed_pair" and self.trainer.batch_size != 1:
            raise ConfigError(
                f"trainer.batch_size is {self.trainer.batch_size} with data.protocol=fixed_pair, "
                "which has only one graph; set trainer.batch_size=1"
            )

    @property
    def test_set(self) -> dict[str, object]:
        """The settings of `data` that decide which graphs the trained model is tested on."""
        return {name: getattr(self.data, name) for name in ("test_graphs", "test_seed")}

    @property
    def scientific(self) -> dict[str, object]:
        """The settings that results depend on, as plain values; the rest may change on resume."""
        trainer = dataclasses.asdict(self.trainer)
        data = dataclasses.asdict(self.data)
        for name in _NOT_SCIENTIFIC:
            del trainer[name]
        for name in self.test_set:
            del data[name]
        if type(self.data) is not DataConfig:
            data["name"] = _name_of(self.data)
        return {
            "data": data,
            "noise": {"name": _name_of(self.noise), **dataclasses.asdict(self.noise)},
            "model": {"name": _name_of(self.model), **dataclasses.asdict(self.model)},
            "trainer": trainer,
            "seed": self.seed,
        }


def _name_of(config: object) -> str:
    """The name of a built-in class, the import path of another one."""
    kind = type(config)
    built_in = kind.__module__.startswith("tmgg.")
    return kind.__name__ if built_in else f"{kind.__module__}:{kind.__qualname__}"


@dataclass(frozen=True, slots=True, kw_only=True)
class _TopLevel:
    """The top-level keys of a config that are not groups."""

    seed: int = 0
    output_dir: str | None = None
    resume_from: str | None = None


def parse_settings(config: Mapping[str, object]) -> Settings:
    """Settings from a plain config; raises ConfigError on anything that is not right.

    Missing groups and keys keep their defaults; a missing output directory is the current one.
    Only loggers use `RUNNER_KEYS`.
    """
    single = [item.name for item in dataclasses.fields(_TopLevel)]
    require_known(
        config,
        [
            "data",
            "noise",
            "model",
            "trainer",
            "criteria",
            "metrics",
            "shifts",
            *single,
            *RUNNER_KEYS,
        ],
        group="",
    )
    given = {key: config[key] for key in single if key in config}
    top = parse_dataclass(_TopLevel, given, group="")
    models = {name: entry.config for name, entry in MODELS.items()}
    return Settings(
        data=parse_choice(DATA, _group(config, "data"), group="data", default="sbm"),
        noise=parse_choice(ALL_NOISES, _group(config, "noise"), group="noise", default="flip"),
        model=parse_choice(models, _group(config, "model"), group="model", default="filter_bank"),
        trainer=parse_dataclass(TrainerConfig, _group(config, "trainer"), group="trainer"),
        seed=top.seed,
        output_dir=Path(top.output_dir or "."),
        resume_from=Path(top.resume_from) if top.resume_from else None,
        metrics=_metric_paths(config.get("metrics")),
        criteria=parse_criteria(config.get("criteria")),
        shifts=parse_shifts(config.get("shifts")),
        stage=str(config.get("stage") or "custom"),
        run_id=str(config["run_id"]) if config.get("run_id") else None,
    )


def _metric_paths(value: object) -> tuple[str, ...]:
    paths = value if isinstance(value, list | tuple) else () if value is None else (value,)
    for path in paths:
        if not isinstance(path, str) or not callable(load_by_path(path, key="metrics")):
            raise ConfigError(f"metrics has {path!r}; expected package.module:function")
    require_own_names(paths)
    return tuple(paths)


def _group(config: Mapping[str, object], name: str) -> Mapping[str, object]:
    values = config.get(name, {})
    if not isinstance(values, Mapping):
        raise ConfigError(f"{name} is {values!r}; expected a group of keys")
    return values
