"""Hydra's own suites for launchers, against TMGG's local backend.

They run in stock Hydra apps that know nothing of TMGG, with closures as task functions.
"""

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


@pytest.fixture(autouse=True)
def _runs_stay_in(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def test_hydra_discovers_the_launcher_under_both_names() -> None:
    found = {f"{item.__module__}.{item.__name__}" for item in Plugins.instance().discover(Launcher)}

    assert "tmgg.hydra_plugins.tmgg_launcher.TmggLauncher" in found
    assert "hydra_plugins.tmgg_launcher.TmggLauncher" in found
    assert TmggLauncher in Plugins.instance().discover(Launcher)


@pytest.mark.parametrize(("launcher_name", "overrides"), [("tmgg_local", [])])
class TestLauncher(LauncherTestSuite):
    """Nine tests: one job, two, groups, strict mode, mandatory defaults, resolvers."""


@pytest.mark.parametrize(
    ("launcher_name", "overrides"), [("tmgg_local", ["hydra.sweeper.max_batch_size=2"])]
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
                "hydra/launcher=tmgg_local",
                "hydra/hydra_logging=disabled",
                "hydra/job_logging=disabled",
            ],
        )
    ],
)
class TestIntegration(IntegrationTestSuite):
    """Whole scripts: job names, sweep folders, `get_original_cwd`, `to_absolute_path`."""
