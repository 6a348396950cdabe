"""Sweepers that decide by what jobs return: Optuna's, through TMGG's launcher."""

import json
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest
import yaml

from tests.hydra.conftest import Lab

pytest.importorskip("hydra_plugins.hydra_optuna_sweeper", reason="pip install --group test")

OPTUNA = (
    "hydra/sweeper=optuna",
    "hydra/sweeper/sampler=tpe",
    "hydra.sweeper.sampler.seed=1",
    "hydra.sweeper.n_trials=6",
    "hydra.sweeper.n_jobs=3",
    "hydra.sweep.dir=sweep",
    "hydra/launcher=tmgg_local",
)
APP = """
import hydra


@hydra.main(version_base="1.3", config_path=None)
def main(config):
    return (config.x - 3) ** 2


if __name__ == "__main__":
    main()
"""


def run(lab: Lab, argv: Sequence[str]) -> None:
    """A process of its own: Optuna and its database kit warn of their own ways."""
    done = subprocess.run(
        [sys.executable, *argv, *OPTUNA],
        cwd=lab.folder,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr


def summary(folder: Path) -> list[tuple[int, float]]:
    """Number and metric of each run."""
    runs = json.loads((folder / "sweep" / "sweep_summary.json").read_text())["runs"]
    return [(run["number"], next(iter(run["metrics"].values()))) for run in runs]


def test_optuna_minimises_what_a_hydra_app_returns(lab: Lab) -> None:
    lab.write("app.py", APP)

    run(lab, ["app.py", "-m", "hydra.sweeper.direction=minimize", "+x=interval(0,6)"])

    found = yaml.safe_load((lab.folder / "sweep" / "optimization_results.yaml").read_text())
    values = summary(lab.folder)
    assert [number for number, _value in values] == list(range(6))
    assert found["best_value"] == min(value for _number, value in values)


def test_optuna_maximises_the_metric_that_was_chosen(lab: Lab) -> None:
    run(
        lab,
        [
            *("-m", "tmgg.cli.experiment", "-cd", "conf", "-cn", "tiny", "-m"),
            "hydra.sweeper.direction=maximize",
            "x=interval(1.0,5.0)",
            "hydra.launcher.metric=score",
            "hydra.launcher.metric_mode=max",
        ],
    )

    found = yaml.safe_load((lab.folder / "sweep" / "optimization_results.yaml").read_text())
    best = json.loads((lab.folder / "sweep" / "sweep_summary.json").read_text())["best"]
    assert found["best_value"] == max(value for _number, value in summary(lab.folder))
    assert best is not None
