"""Modal, on the stand-in, passes the tests that every backend passes."""

from typing import TYPE_CHECKING

import pytest

from tmgg.testing import BackendUnderTest, CloudRunnerSuite

if TYPE_CHECKING:
    from tests.modal.standin.server import StandIn


class TestModal(CloudRunnerSuite):
    @pytest.fixture(scope="class")
    @classmethod
    def backend(
        cls, running_modal: "StandIn", tmp_path_factory: pytest.TempPathFactory
    ) -> BackendUnderTest:
        folder = tmp_path_factory.mktemp("contract")
        return BackendUnderTest("modal", {"output_dir": str(folder), "lost_grace_s": 15})
