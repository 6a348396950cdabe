"""The tests that every backend passes, as one class to subclass."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tmgg.experiment_utils.cloud import CloudRunner
from tmgg.testing.backend import BackendUnderTest
from tmgg.testing.jobs import JobTests
from tmgg.testing.life_cycle import LifeCycleTests
from tmgg.testing.outcomes import OutcomeTests
from tmgg.testing.processes import ProcessTests
from tmgg.testing.sweeps import SweepTests


class CloudRunnerSuite(LifeCycleTests, JobTests, OutcomeTests, SweepTests, ProcessTests):
    """Make a subclass whose name begins with `Test`, and override the fixture `backend`."""

    @pytest.fixture(scope="class")
    @classmethod
    def backend(cls) -> BackendUnderTest:
        """Override it. All tests use the same backend and options."""
        raise NotImplementedError("override the fixture `backend` in your class")

    @pytest.fixture
    def runner(self, backend: BackendUnderTest) -> CloudRunner:
        """A fresh runner for each test."""
        return backend.make_runner()

    @pytest.fixture(scope="class", autouse=True)
    @classmethod
    def own_home(cls, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
        """Another home, so that the user's list of folders with runs does not change."""
        home = tmp_path_factory.mktemp("tmgg-home")
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("TMGG_HOME", str(home))
            yield home
