"""A Hydra app that knows nothing of TMGG uses its launcher: closures, own modules, own types."""

import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

APP = """
import dataclasses, enum, os, pathlib, sys
import hydra
from hydra.core.config_store import ConfigStore
from hydra.core.hydra_config import HydraConfig
from omegaconf import MISSING, OmegaConf

import beside


class Colour(enum.Enum):
    red = 1


@dataclasses.dataclass
class Config:
    x: int = 1
    path: pathlib.Path = pathlib.Path("/data")
    colour: Colour = Colour.red
    absent: str = MISSING
    on_the_node: str = "${oc.env:ONLY_ON_THE_NODE}"
    doubled: str = "${double:${x}}"


ConfigStore.instance().store(name="config", node=Config)
OmegaConf.register_new_resolver("double", lambda x: str(x * 2))


class Mute(Exception):
    def __init__(self):
        self.held = open(os.devnull)

    def __str__(self):
        raise ValueError("str fails")


def make(factor):
    def closure(cfg):
        if cfg.x == 13:
            raise beside.Unlucky(cfg.x, "thirteen")
        if cfg.x == 14:
            return (n for n in range(3))
        if cfg.x == 15:
            return {"y": 10**400, "it": (n for n in range(3)), "a\\nb": 1}
        if cfg.x == 16:
            raise Mute
        return {"y": beside.twice(cfg.x) * factor, "doubled": float(cfg.doubled),
                "path": str(cfg.path), "is_enum": cfg.colour is Colour.red,
                "num": HydraConfig.get().job.num, "pid": os.getpid()}
    return closure


if __name__ == "__main__":
    hydra.main(version_base="1.3", config_name="config")(make(10))()
"""
BESIDE = """
class Unlucky(Exception):
    def __init__(self, number, name):
        super().__init__(f"{number} is {name}")


def twice(x):
    return 2 * x
"""


@pytest.fixture
def app(tmp_path: Path) -> Path:
    """A script with a module beside it, to be called from another folder."""
    folder = tmp_path / "code"
    folder.mkdir()
    (folder / "app.py").write_text(APP)
    (folder / "beside.py").write_text(BESIDE)
    (tmp_path / "work").mkdir()
    return folder / "app.py"


def test_closures_modules_beside_the_script_and_typed_configs_travel(app: Path) -> None:
    ended = _run(app, "-m", "hydra/launcher=tmgg_local", "x=1,2", "hydra.sweep.dir=sweep")

    assert ended.returncode == 0, ended.stderr
    rows = [line.split() for line in ended.stdout.splitlines() if " completed " in line]
    assert [(row[0], row[1], row[4], row[5]) for row in rows] == [
        ("0", "1", "20", "2"),
        ("1", "2", "40", "4"),
    ]
    work = app.parents[1] / "work"
    assert (work / "sweep" / "1" / ".hydra" / "config.yaml").exists()
    assert (work / "sweep" / "1" / "app.log").exists()
    (task,) = list(work.glob("local_outputs/*-1/task.json"))
    record = json.loads(task.read_text())
    assert record["target"] == "tmgg.hydra_plugins.hydra_job:run"
    assert record["config"]["x"] == 2
    assert record["config"]["absent"] == "<missing>"
    assert record["config"]["path"] == "/data"
    assert "ONLY_ON_THE_NODE" in record["config"]["on_the_node"]
    for name in ("payload.pkl", "output/job_return.1.pkl"):
        assert (task.parent / name).stat().st_mode & 0o777 == 0o600


def test_failures_are_reported_once_and_hydra_says_no_more(app: Path) -> None:
    ended = _run(app, "-m", "hydra/launcher=tmgg_local", "x=13,16,1")

    assert ended.returncode == 1
    assert "Unlucky: 13 is thirteen" in ended.stderr
    assert ended.stderr.endswith("2 of 3 runs failed\n")
    assert "HYDRA_FULL_ERROR" not in ended.stderr
    assert "Error executing job" not in ended.stderr


def test_with_full_errors_hydra_tells_failures_as_ever(app: Path) -> None:
    ended = _run(app, "-m", "hydra/launcher=tmgg_local", "x=13,16,1", full=True)

    assert ended.returncode == 1
    assert " completed " in ended.stdout
    assert "2 of 3 runs failed" in ended.stderr
    assert "Mute: (its text cannot be had: ValueError: str fails)" in ended.stderr
    assert "raise Mute" in ended.stderr
    assert "job_returns.py" not in ended.stderr
    assert "Error executing job with overrides: ['x=13']" in ended.stderr
    assert "Unlucky: 13 is thirteen" in ended.stderr
    assert "In the job:" in ended.stderr


def test_values_that_cannot_be_sent_or_are_beyond_all_floats_cost_only_themselves(
    app: Path,
) -> None:
    ended = _run(app, "-m", "hydra/launcher=tmgg_local", "x=14,15", "hydra.sweep.dir=sweep")

    assert ended.returncode == 0, ended.stderr
    assert ended.stdout.count(" completed ") == 2
    assert ended.stdout.count("missing: it is a generator, which cannot be sent back") == 1
    assert ended.stdout.count("missing: it is a dict, which cannot be sent back") == 1
    work = app.parents[1] / "work"
    told = json.loads((work / "sweep" / "sweep_summary.json").read_text())
    assert [run["metrics"] for run in told["runs"]] == [{}, {"y": 10**400, "a\nb": 1}]
    if importlib.util.find_spec("pyarrow") is not None:
        assert (work / "sweep" / "sweep_summary.parquet").exists()
    job_log = next(work.glob("local_outputs/*-1.err")).read_text()
    assert job_log.count("returned a dict, which cannot be sent back") == 1


def test_bad_options_are_an_error_without_a_traceback(app: Path) -> None:
    ended = _run(app, "-m", "hydra/launcher=tmgg_slurm", "hydra.launcher.slurm_nodes=0")

    assert ended.returncode == 1
    assert ended.stderr.strip().startswith("error: slurm_nodes=0 must be 1 to 65533")
    assert "Traceback" not in ended.stderr


def _run(app: Path, *arguments: str, full: bool = False) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-Werror", str(app), *arguments],
        capture_output=True,
        text=True,
        timeout=150,
        check=False,
        cwd=app.parents[1] / "work",
        env=os.environ
        | {"TMGG_HOME": str(app.parents[1] / "home"), "HYDRA_FULL_ERROR": "1" if full else "0"},
    )
