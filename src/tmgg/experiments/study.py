"""Trains every model with several seeds on a stage: table and figure of docs/experiments.md.

    python -m tmgg.experiments.study stage2_validation --seeds 0,1,2 --folder study

trains in this process, one after the other, what is not in the folder yet, and writes `table.md`
and `figure.svg` there. More arguments are overrides, as for `tmgg-experiment`. A training in the
folder counts if its settings are the same.
"""

import argparse
import itertools
import json
import logging
import re
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from omegaconf import OmegaConf

from tmgg.errors import ConfigError, DivergedError, TmggError
from tmgg.experiment_utils.compose import compose_config
from tmgg.experiment_utils.files.atomic_file import write_atomic
from tmgg.experiments.study_figure import render_figure
from tmgg.experiments.study_table import Study, render_table
from tmgg.models import MODELS
from tmgg.training.experiment import run

log = logging.getLogger(__name__)

_DECIDED = {
    "seed": "is decided by --seeds",
    "model": "is decided by --models",
    "model.name": "is decided by --models",
    "stage": "is decided by the first argument",
    "output_dir": "is decided by --folder",
    "resume_from": "is decided by --folder",
    "trainer.workers": "has no meaning here",
    "experiment": "has no meaning here",
    "hydra": "has no meaning here",
}
"""Overrides that would make a row's label wrong, or that would have no effect."""


def main(arguments: Sequence[str] | None = None) -> int:
    """The command. Returns 2 for a value that is not valid, 1 if a training is missing."""
    asked, overrides = _parser().parse_known_args(arguments)
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    try:
        _require_possible(overrides)
        study, missing = collect(
            asked.stage, _models(asked.models), _seeds(asked.seeds), Path(asked.folder), overrides
        )
    except TmggError as error:
        sys.stderr.write(f"{error}\n")
        return 2
    if not study:
        sys.stderr.write(f"no training came to an end: {'; '.join(missing)}\n")
        return 1
    table, figure = render_table(study), render_figure(study)
    if missing:
        table += f"\nNot in the table: {'; '.join(missing)}.\n"
    write_atomic(Path(asked.folder) / "table.md", table.encode())
    write_atomic(Path(asked.folder) / "figure.svg", figure.encode())
    sys.stdout.write(table)
    return 1 if missing else 0


def collect(
    stage: str, models: Sequence[str], seeds: Sequence[int], folder: Path, overrides: Sequence[str]
) -> tuple[Study, list[str]]:
    """The metrics of each model and seed, and which diverged. Trains what is not in the folder."""
    found: Study = {}
    missing: list[str] = []
    for model, seed in itertools.product(models, seeds):
        config = compose([f"+stage={stage}", f"model={model}", f"seed={seed}", *overrides])
        try:
            metrics = _metrics(config, folder / model / f"seed_{seed}")
        except DivergedError as error:
            log.warning("%s with seed %d is left out: %s", model, seed, error)
            missing.append(f"`{model}` with seed {seed} ({error})")
        else:
            found.setdefault(model, {})[seed] = metrics
    return found, missing


def compose(overrides: Sequence[str]) -> dict[str, Any]:
    """The config as plain values. Raises ConfigError."""
    config = OmegaConf.to_container(compose_config(overrides), resolve=True)
    assert isinstance(config, dict)
    return {str(key): value for key, value in config.items() if key != "output_dir"}


def _metrics(config: dict[str, Any], folder: Path) -> dict[str, float]:
    kept = folder / "metrics.json"
    known = _read(kept)
    if known.get("config") == config:
        metrics: dict[str, float] = known["metrics"]
        return metrics
    log.info("training in %s", folder)
    returned = run({**config, "output_dir": str(folder)})
    metrics = {name: value for name, value in returned.items() if not isinstance(value, str)}
    write_atomic(kept, json.dumps({"config": config, "metrics": metrics}, indent=1).encode())
    return metrics


def _read(path: Path) -> Mapping[str, Any]:
    try:
        found = json.loads(path.read_text())
    except (FileNotFoundError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m tmgg.experiments.study", epilog="More arguments are overrides."
    )
    parser.add_argument("stage", help="such as stage1_poc or stage2_validation")
    parser.add_argument("--models", default=",".join(MODELS), help="with commas; all by default")
    parser.add_argument("--seeds", default="0,1,2", help="with commas")
    parser.add_argument("--folder", default="study", help="for trainings, table and figure")
    return parser


def _require_possible(overrides: Sequence[str]) -> None:
    for override in overrides:
        plain = override.lstrip("+~")
        key = re.split(r"[=@]", plain, maxsplit=1)[0].replace("/", ".")
        group = key.partition(".")[0]
        why = _DECIDED.get(group if group in ("experiment", "hydra") else key)
        if why is not None:
            raise ConfigError(
                f"{plain} {why}; leave it out (a study trains each model of --models "
                "with each seed of --seeds, in this process)"
            )


def _models(text: str) -> list[str]:
    names = text.split(",")
    if unknown := set(names) - set(MODELS):
        raise ConfigError(
            f"--models has {', '.join(sorted(unknown))}; known models: {', '.join(MODELS)}"
        )
    return names


def _seeds(text: str) -> list[int]:
    try:
        return [int(seed) for seed in text.split(",")]
    except ValueError as error:
        raise ConfigError(f"--seeds is {text!r}; give whole numbers with commas") from error


if __name__ == "__main__":
    raise SystemExit(main())
