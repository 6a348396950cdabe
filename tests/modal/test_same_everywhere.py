"""One experiment with one seed has one result, whichever backend runs it.

Here because the stand-in for Modal is: an SDK connects to one server only in its life.
"""

import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.docs.examples import Command, parse_examples
from tests.slurm.conftest import alice as alice
from tests.slurm.login import PYTHON, Login
from tests.slurm.trial import SMALL
from tmgg.experiment_utils.cloud import compose_config, make_runner
from tmgg.experiment_utils.cloud.ray.own_ray import end_own_ray
from tmgg.experiment_utils.run_folder.paths import SubmissionPaths
from tmgg.experiment_utils.run_folder.run_folders import runs_in
from tmgg.experiment_utils.run_folder.task import prepare_config

if TYPE_CHECKING:
    pass

pytestmark = [pytest.mark.slurm, pytest.mark.ray, pytest.mark.usefixtures("running_modal")]

PAGE = Path(__file__).parents[2] / "docs" / "backends.md"
# What equal runs differ in.
OWN = ("train_seconds",)
ON_SLURM = """
import json, sys
from tmgg.experiment_utils.cloud import make_runner
config, options = json.loads(sys.stdin.read())
result = make_runner("slurm", options).run_experiment(config)
assert result.status == "completed", result.error_message
print(json.dumps(result.metrics))
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The working directory, with a home of its own for a Ray of its own."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TMGG_HOME", str(tmp_path / "home"))
    yield tmp_path
    end_own_ray()


def essence(metrics: dict[str, float]) -> dict[str, float]:
    return {name: value for name, value in metrics.items() if name not in OWN}


def test_the_same_seed_gives_the_same_metrics_on_all_backends(folder: Path, alice: Login) -> None:
    config = compose_config(["+stage=stage1_poc", "trainer.steps=20", "seed=7"])
    found: dict[str, dict[str, float]] = {}
    here = {"local": {}, "ray": {"connect": False}, "modal": {}}
    runs = {}
    for backend, options in here.items():
        runner = make_runner(backend, options)
        runs[backend] = (runner, runner.spawn_experiment(config))
    found["slurm"] = on_slurm(alice, config)
    for backend, (runner, spawned) in runs.items():
        result = runner.get_result(spawned)
        assert result.status == "completed", f"{backend}: {result.error_message}"
        found[backend] = result.metrics

    assert "val_loss" in found["local"]
    for backend in ("ray", "slurm", "modal"):
        assert essence(found[backend]) == essence(found["local"]), backend


def on_slurm(alice: Login, config: Mapping[str, Any]) -> dict[str, float]:
    # With what torch needs to be imported.
    options = SMALL | {"mem_per_cpu": "4GB"}
    alice.write("config.json", json.dumps([prepare_config(config), options]))
    alice.write("run.py", ON_SLURM.replace("sys.stdin.read()", "open('config.json').read()"))
    done = alice.run(str(PYTHON), "run.py", timeout_s=240)
    return dict(json.loads(done.stdout.splitlines()[-1]))


@pytest.mark.long
@pytest.mark.timeout(900)
def test_the_launcher_is_all_that_changes_in_the_documented_example(
    folder: Path, alice: Login
) -> None:
    lines = [
        step.argv
        for step in parse_examples(PAGE)
        if isinstance(step, Command) and "+stage=stage1_sanity" in step.argv
    ]
    by_backend = {backend_of(argv): argv for argv in lines}
    assert {*by_backend} == {"local", "ray", "slurm", "modal"}
    assert len({without_launcher(argv) for argv in lines}) == 1

    found = {}
    for backend, argv in by_backend.items():
        command = [str(PYTHON), "-m", "tmgg.cli.experiment", *argv[1:]]
        if backend == "slurm":
            alice.run(*command, timeout_s=600)
            outputs = alice.host_folder / "slurm_outputs"
        else:
            subprocess.run(
                [sys.executable, *command[1:]], check=True, timeout=300, env=os.environ.copy()
            )
            outputs = folder / f"{backend}_outputs"
        found[backend] = metrics_in(outputs)
    for backend in found:
        assert essence(found[backend]) == essence(found["local"]), backend


def backend_of(argv: tuple[str, ...]) -> str:
    (launcher,) = [word for word in argv if word.startswith("hydra/launcher=tmgg_")]
    return launcher.rpartition("_")[2]


def without_launcher(argv: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(word for word in argv if not word.startswith(("hydra/launcher", "hydra.launcher")))


def metrics_in(outputs: Path) -> dict[str, float]:
    """Of the one run in a folder of runs."""
    (run,) = runs_in(outputs)
    submission: SubmissionPaths = run.submission(1)
    return dict(json.loads(submission.result.read_text())["metrics"])
