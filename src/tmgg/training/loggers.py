"""Where training curves go."""

import importlib.util
from collections.abc import Iterable
from pathlib import Path

from pytorch_lightning.loggers import CSVLogger, Logger, TensorBoardLogger, WandbLogger

from tmgg.errors import MissingExtraError
from tmgg.training.config import TrainerConfig

LOG_FOLDER = "logs"
"""Folder of the output directory that holds the curves; each attempt gets its own below."""


def build_loggers(config: TrainerConfig, output_dir: Path) -> list[Logger]:
    """The CSV logger and the one asked for; MissingExtraError if its package is missing.

    The CSV file is `logs/version_<attempt>/metrics.csv` in the output directory, so that a
    resumed run keeps the curve of the attempt before.
    """
    csv = CSVLogger(output_dir, name=LOG_FOLDER, flush_logs_every_n_steps=10)
    if config.logger == "tensorboard":
        _require("tensorboard", config.logger)
        return [csv, TensorBoardLogger(output_dir / LOG_FOLDER, name="tensorboard")]
    if config.logger == "wandb":
        _require("wandb", config.logger)
        folder = output_dir / LOG_FOLDER
        folder.mkdir(parents=True, exist_ok=True)
        return [csv, WandbLogger(save_dir=folder, project="tmgg")]
    return [csv]


def close_loggers(loggers: Iterable[Logger]) -> None:
    """End what would otherwise go on into the next run of this process."""
    for logger in loggers:
        if isinstance(logger, WandbLogger):
            logger.experiment.finish()


def _require(package: str, logger: str) -> None:
    if importlib.util.find_spec(package) is None:
        raise MissingExtraError(
            f"trainer.logger={logger} needs the package {package}, which is not installed; "
            f"run `pip install {package}`, or use trainer.logger=csv"
        )
