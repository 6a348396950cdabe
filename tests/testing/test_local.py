"""LocalRunner passes the tests that every backend passes."""

import pytest

from tmgg.testing import BackendUnderTest, CloudRunnerSuite


class TestLocal(CloudRunnerSuite):
    @pytest.fixture(scope="class")
    @classmethod
    def backend(cls, tmp_path_factory: pytest.TempPathFactory) -> BackendUnderTest:
        return BackendUnderTest("local", {"output_dir": str(tmp_path_factory.mktemp("runs"))})
