"""Sweepers that decide by what jobs return: Optuna's, through TMGG's launcher."""

import json
import os
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
    if config.get("fail"):
        raise RuntimeError("the loss is purple")
    return (config.x - 3) ** 2


if __name__ == "__main__":
    main()
"""


def run(lab: Lab, argv: Sequence[str]) -> None:
    done = ended(lab, argv)
    assert done.returncode == 0, done.stderr


def ended(lab: Lab, argv: Sequence[str], **variables: str) -> subprocess.CompletedProcess[str]:
    """A process of its own: Optuna and its database kit warn of their own ways."""
    return subprocess.run(
        [sys.executable, *argv, *OPTUNA],
        cwd=lab.folder,
        env=os.environ | variables,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


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


FAILING = ("app.py", "-m", "+fail=true", "+x=interval(0,6)")


def test_a_failure_that_was_shown_is_not_told_again_by_hydra(lab: Lab) -> None:
    lab.write("app.py", APP)

    done = ended(lab, FAILING)

    assert done.returncode == 1
    assert "3 of 3 runs failed\n" in done.stderr
    assert "optuna" not in done.stderr
    assert "tmgg_launcher" not in done.stderr
    assert "Error executing job" not in done.stderr
    assert "HYDRA_FULL_ERROR" not in done.stderr
    assert done.stdout.count("Failed experiment: the loss is purple") == 3


def test_with_full_errors_it_is(lab: Lab) -> None:
    lab.write("app.py", APP)

    done = ended(lab, FAILING, HYDRA_FULL_ERROR="1")

    assert done.returncode == 1
    assert "hydra_optuna_sweeper" in done.stderr
    assert "Error executing job" in done.stderr


def test_a_sweep_goes_on_after_failures_that_its_sweeper_allows(lab: Lab) -> None:
    lab.write("app.py", APP.replace('config.get("fail")', "config.x > 3"))

    run(lab, ["app.py", "-m", "hydra.sweeper.max_failure_rate=1", "+x=interval(0,6)"])

    runs = json.loads((lab.folder / "sweep" / "sweep_summary.json").read_text())["runs"]
    assert {each["status"] for each in runs} == {"completed", "failed"}
    assert len(runs) == 6
