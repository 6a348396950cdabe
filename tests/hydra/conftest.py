"""`tmgg-experiment` called in this process, in a folder of its own, Hydra's state put back."""

import copy
import logging
import shutil
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from hydra.core.global_hydra import GlobalHydra
from hydra.core.plugins import Plugins
from hydra.core.singleton import Singleton
from hydra.core.utils import JobRuntime
from hydra.version import VersionBase
from omegaconf.basecontainer import BaseContainer

from tests.hydra import stand_in
from tmgg.cli.experiment import main
from tmgg.experiment_utils.cloud import factory
from tmgg.hydra_plugins.launcher_options import store_tables

CONF = Path(__file__).parent / "conf"
EXPERIMENT = '''
import os
import time


def run(config):
    """What the tests run; `x` decides how it ends."""
    if config.x == "raise":
        raise ValueError("the loss is purple")
    if config.x == "die":
        os.kill(os.getpid(), 9)
    if config.x == "text":
        return {"score": "high"}
    time.sleep(config.get("duration_s", 0))
    deadline = time.monotonic() + 60
    while config.get("wait_for") and not os.path.exists(config.wait_for):
        assert time.monotonic() < deadline
        time.sleep(0.05)
    with open(os.path.join(config.output_dir, "model.txt"), "w") as stream:
        stream.write(str(config.x))
    return {"score": config.x * config.model.size, "x": config.x}
'''


@dataclass(frozen=True)
class Ended:
    """How a command ended."""

    code: int
    out: str
    err: str


class Lab:
    """A user's working folder: an experiment in a module, configs in `conf`."""

    def __init__(self, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
        self.folder = folder
        self._capsys = capsys

    def run(
        self, *arguments: str, config: tuple[str, ...] = ("-cd", "conf", "-cn", "tiny")
    ) -> Ended:
        """`tmgg-experiment` with the folder's own configs and these arguments."""
        self._capsys.readouterr()
        before = sys.argv
        sys.argv = ["tmgg-experiment", *config, *arguments]
        code = 0
        try:
            main()
        except SystemExit as end:
            code = int(end.code or 0)
        finally:
            sys.argv = before
        out, err = self._capsys.readouterr()
        return Ended(code, out, err)

    def write(self, name: str, text: str) -> Path:
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        return path

    def files(self) -> set[str]:
        """Everything there, as relative paths."""
        found = (path.relative_to(self.folder) for path in self.folder.rglob("*"))
        return {str(path) for path in found if "__pycache__" not in path.parts}

    def find(self, pattern: str) -> list[Path]:
        return sorted(self.folder.glob(pattern))

    @property
    def slurm(self) -> stand_in.StandIn:
        """The last runner that `hydra/launcher=tmgg_slurm` made."""
        return stand_in.asked[-1]


@pytest.fixture
def lab(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Iterator[Lab]:
    """A folder with configs and an experiment; Slurm is a stand-in that runs jobs as processes."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TMGG_HOME", str(tmp_path / ".tmgg"))
    monkeypatch.setattr(sys, "path", list(sys.path))
    monkeypatch.setitem(factory.BACKENDS, "slurm", stand_in.FACTORY)
    monkeypatch.setattr(stand_in, "asked", [])
    shutil.copytree(CONF, tmp_path / "conf")
    lab = Lab(tmp_path, capsys)
    lab.write("tiny_experiment.py", EXPERIMENT)
    with_hydra = _hydra_state()
    next(with_hydra)
    yield lab
    next(with_hydra, None)
    sys.modules.pop("tiny_experiment", None)


@pytest.fixture
def hydra_state() -> Iterator[None]:
    """Hydra's singletons, the stored launcher tables and the log handlers, put back afterwards."""
    yield from _hydra_state()


_MUTABLE = (GlobalHydra, JobRuntime, VersionBase)


def _hydra_state() -> Iterator[None]:
    Plugins.instance()
    before = dict(Singleton._instances)
    changed_in_place = {kind: copy.deepcopy(before[kind]) for kind in _MUTABLE if kind in before}
    handlers, level = list(logging.root.handlers), logging.root.level
    yield
    for handler in [item for item in logging.root.handlers if item not in handlers]:
        handler.close()
    logging.root.handlers[:] = handlers
    logging.root.setLevel(level)
    Singleton._instances.clear()
    Singleton._instances.update(before | changed_in_place)
    store_tables()


@pytest.fixture
def resolvers_forgotten() -> Iterator[None]:
    """Resolvers that a test registers are forgotten after it."""
    before = dict(BaseContainer._resolvers)
    yield
    BaseContainer._resolvers.clear()
    BaseContainer._resolvers.update(before)


@pytest.fixture(autouse=True)
def no_version_base_of_other_tests() -> None:
    """Hydra keeps the last version base of the process, which changes what its own suites see."""
    Singleton._instances.pop(VersionBase, None)
