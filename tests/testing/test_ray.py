"""RayRunner passes the tests that every backend passes, on a Ray of its own."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tmgg.experiment_utils.cloud.ray_jobs.own_ray import end_own_ray
from tmgg.testing import BackendUnderTest, CloudRunnerSuite

pytestmark = pytest.mark.ray


class TestRayOfThisMachine(CloudRunnerSuite):
    @pytest.fixture(scope="class")
    @classmethod
    def backend(
        cls, own_home: Path, tmp_path_factory: pytest.TempPathFactory
    ) -> Iterator[BackendUnderTest]:
        options = {
            "output_dir": str(tmp_path_factory.mktemp("runs")),
            "connect": False,
            "local_cpus": 4,
            "poll_interval_s": 1,
        }
        yield BackendUnderTest("ray", options, patience_s=240)
        end_own_ray()
