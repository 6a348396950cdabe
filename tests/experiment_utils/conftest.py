"""Folders, clocks and a pretended Slurm for the tests of the core."""

import os
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from tests.fakes.clock import FakeClock
from tests.fakes.slurm.fake import LONGEST_WAIT_S, FakeSlurm

# Machines that run tests are busy: how long an example takes says nothing.
settings.register_profile(
    "core", deadline=None, max_examples=60, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("core")
HOSTILE_NAME = "a 'b\" $(touch canary) `touch canary`; #c %j & é"


@pytest.fixture(autouse=True)
def _own_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The home and the list of folders with runs are each test's own."""
    monkeypatch.setenv("TMGG_HOME", str(tmp_path / "tmgg-home"))
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    for name in [*os.environ]:
        if name.startswith(("TMGG_JOB", "TMGG_RESTART", "TMGG_RAY", "SLURM_", "SBATCH_")):
            monkeypatch.delenv(name)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working directory, with a name that breaks whoever forgets to quote."""
    hostile = tmp_path / HOSTILE_NAME
    hostile.mkdir()
    monkeypatch.chdir(hostile)
    return hostile


@pytest.fixture
def clock() -> FakeClock:
    """Time that passes only when somebody sleeps."""
    return FakeClock()


@pytest.fixture
def slurm(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeSlurm]:
    """Slurm's commands on PATH; jobs are held until the test lets them run."""
    fake = FakeSlurm(tmp_path / "fake-slurm")
    fake.install()
    monkeypatch.setenv("PATH", f"{fake.bin_folder}:{os.environ['PATH']}")
    yield fake
    fake.end_all()
    _check_that_nobody_asks_on()


def _check_that_nobody_asks_on() -> None:
    """A thread that still watches futures would call the commands of the next test."""
    for thread in threading.enumerate():
        if thread.name.endswith("-futures"):
            thread.join(LONGEST_WAIT_S)
            assert not thread.is_alive(), f"cancel the futures: {thread.name} still watches some"
