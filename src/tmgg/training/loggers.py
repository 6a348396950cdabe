"""The loggers for training curves, and the description of the run that they get."""

import importlib.util
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import yaml
from pytorch_lightning.loggers import CSVLogger, Logger, TensorBoardLogger, WandbLogger
from pytorch_lightning.utilities import rank_zero_only

from tmgg.errors import MissingExtraError
from tmgg.training.config import Settings
from tmgg.training.durable import write_durably

LOG_FOLDER = "logs"
"""Folder of the output directory that holds the curves; each attempt gets its own below."""
_PACKAGES = {"tensorboard": ("tensorboard", "tensorboardX"), "wandb": ("wandb",)}
"""One of a logger's packages must be installed."""


class OneFileTensorBoard(TensorBoardLogger):
    """Keeps its file open from the training to the evaluation that follows.

    The file's name has the second in which it was made. If it were closed and made again within one
    second, its content would be lost.
    """

    @rank_zero_only
    def finalize(self, status: str) -> None:
        if self._experiment is not None:
            self.experiment.flush()
        if status == "success":
            self.save()


def build_loggers(settings: Settings) -> list[Logger]:
    """The CSV logger and the one asked for; MissingExtraError if its package is missing.

    The CSV file is `logs/version_<attempt>/metrics.csv` in the output directory, so that a
    resumed run keeps the curve of the attempt before; `hparams.yaml` beside it has the settings.
    """
    kind, folder = settings.trainer.logger, settings.output_dir / LOG_FOLDER
    csv = CSVLogger(
        settings.output_dir,
        name=LOG_FOLDER,
        version=_next_version(folder),
        flush_logs_every_n_steps=10,
    )
    if kind == "csv":
        return [csv]
    _require(kind)
    if kind == "tensorboard":
        return [csv, OneFileTensorBoard(folder, name="tensorboard", default_hp_metric=False)]
    folder.mkdir(parents=True, exist_ok=True)
    wandb = WandbLogger(
        save_dir=folder, project="tmgg", name=run_name(settings), group=settings.stage
    )
    return [csv, wandb]


def describe_run(loggers: Iterable[Logger], settings: Settings) -> None:
    """Tell each logger what the run is: its name, group and settings, by dotted keys."""
    values = hyperparameters(settings)
    text = yaml.safe_dump(values, sort_keys=False).encode()
    for logger in loggers:
        if isinstance(logger, CSVLogger):
            # The logger itself would first import its support for object stores.
            folder = Path(logger.experiment.log_dir)
            write_durably(folder / "hparams.yaml", lambda file: file.write(text))
        else:
            logger.log_hyperparams(values)


def hyperparameters(settings: Settings) -> dict[str, Any]:
    """All settings that results depend on, by dotted key, with the run's name and its group."""
    named = {"name": run_name(settings), "group": settings.stage}
    return {**named, **_flat(settings.scientific), **_flat(settings.test_set, "data.")}


def run_name(settings: Settings) -> str:
    """The run's id; without one the model and the seed."""
    model = type(settings.model).__name__.removesuffix("Config")
    return settings.run_id or f"{model}-seed-{settings.seed}"


def close_loggers(loggers: Iterable[Logger]) -> None:
    """Close loggers that would otherwise continue into the next run of this process."""
    for logger in loggers:
        if isinstance(logger, WandbLogger):
            logger.experiment.finish()


def _next_version(folder: Path) -> int:
    """The next version number, counted as in Lightning."""
    found = [path.name.partition("_")[2] for path in folder.glob("version_*")]
    return max((int(number) for number in found if number.isdecimal()), default=-1) + 1


def _flat(values: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key, value in values.items():
        if isinstance(value, Mapping):
            found |= _flat(value, f"{prefix}{key}.")
        else:
            plain = value is None or isinstance(value, bool | int | float | str)
            found[f"{prefix}{key}"] = value if plain else str(value)
    return found


def _require(logger: str) -> None:
    packages = _PACKAGES[logger]
    if not any(importlib.util.find_spec(package) for package in packages):
        raise MissingExtraError(
            f"trainer.logger={logger} needs the package {packages[0]}, which is not installed; "
            f"run `pip install {packages[0]}`, or use trainer.logger=csv"
        )
