"""Hydra's own suites for launchers, in stock Hydra apps that know nothing of TMGG.

Against the local backend here; `tests/slurm/test_launcher.py` runs this file on a real cluster's
login node, with the launcher and its options in the environment.
"""

import os
import shlex
from pathlib import Path

import pytest
from hydra.core.plugins import Plugins
from hydra.plugins.launcher import Launcher
from hydra.test_utils.launcher_common_tests import (
    BatchedSweeperTestSuite,
    IntegrationTestSuite,
    LauncherTestSuite,
)

from tmgg.hydra_plugins.tmgg_launcher import TmggLauncher

LAUNCHER = os.environ.get("TMGG_SUITE_LAUNCHER", "tmgg_local")
OPTIONS = shlex.split(os.environ.get("TMGG_SUITE_OPTIONS", ""))


@pytest.fixture(autouse=True)
def _runs_stay_in(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def test_hydra_discovers_the_launcher_under_both_names() -> None:
    found = {f"{item.__module__}.{item.__name__}" for item in Plugins.instance().discover(Launcher)}

    assert "tmgg.hydra_plugins.tmgg_launcher.TmggLauncher" in found
    assert "hydra_plugins.tmgg_launcher.TmggLauncher" in found
    assert TmggLauncher in Plugins.instance().discover(Launcher)


@pytest.mark.parametrize(("launcher_name", "overrides"), [(LAUNCHER, OPTIONS)])
class TestLauncher(LauncherTestSuite):
    """Nine tests: one job, two, groups, strict mode, mandatory defaults, resolvers."""


@pytest.mark.parametrize(
    ("launcher_name", "overrides"),
    [(LAUNCHER, [*OPTIONS, "hydra.sweeper.max_batch_size=2"])],
)
class TestBatchedSweeper(BatchedSweeperTestSuite):
    """Batches number their jobs on: `initial_job_idx`."""


@pytest.mark.parametrize(
    ("task_launcher_cfg", "extra_flags"),
    [
        (
            {},
            [
                "-m",
                f"hydra/launcher={LAUNCHER}",
                *OPTIONS,
                "hydra/hydra_logging=disabled",
                "hydra/job_logging=disabled",
            ],
        )
    ],
)
class TestIntegration(IntegrationTestSuite):
    """Whole scripts: job names, sweep folders, `get_original_cwd`, `to_absolute_path`."""
