"""SlurmRunner passes the tests that every backend passes, as an ordinary user of a real cluster."""

import json

import pytest

from tests.slurm.login import PYTHON, Login
from tests.slurm.trial import SMALL

# As docs/backends.md has it, with another name and other options.
SUITE = """
import pytest
from tmgg.testing import BackendUnderTest, CloudRunnerSuite


class TestSlurm(CloudRunnerSuite):
    @pytest.fixture(scope="class")
    @classmethod
    def backend(cls) -> BackendUnderTest:
        return BackendUnderTest("slurm", {options!r})
"""
LIMIT_S = 900


@pytest.mark.timeout(LIMIT_S + 60)
@pytest.mark.parametrize("sweep_mode", ["separate", "array"])
def test_slurm_passes_the_suite_of_every_backend(alice: Login, sweep_mode: str) -> None:
    own = {"poll_interval_s": 1, "lost_grace_s": 15, "sweep_mode": sweep_mode}
    options = json.loads(json.dumps(SMALL | own))
    alice.write("test_suite.py", SUITE.format(options=options))
    done = alice.run(
        str(PYTHON), "-m", "pytest", "-q", "-p", "no:cacheprovider", "--durations=10",
        "test_suite.py", timeout_s=LIMIT_S, check=False,
    )  # fmt: skip
    print(done.stdout)
    assert done.returncode == 0
    assert " passed" in done.stdout
    assert "skipped" not in done.stdout
