"""When the Ray of this machine counts as idle, and so may end."""

import os
import subprocess
import sys

import pytest

from tests.fakes.clock import FakeClock
from tmgg.errors import QueryError
from tmgg.experiment_utils.cloud.ray.activity import Activity, has_runs_below
from tmgg.experiment_utils.cloud.ray.request import ENTRY


class Ray:
    """What the dashboard and the processes would say."""

    def __init__(self, clock: FakeClock) -> None:
        self.open_jobs: bool | None = False
        """None: there is no answer."""
        self.runs = False
        self.notices: list[str] = []
        self.clock = clock
        self.activity = Activity(
            self._ask, has_runs=lambda: self.runs, notice=self.notices.append,
            monotonic=clock.monotonic,
        )  # fmt: skip

    def _ask(self) -> bool:
        if self.open_jobs is None:
            raise QueryError("Ray did not answer: refused")
        return self.open_jobs

    def is_busy_after(self, delay_s: float) -> bool:
        self.clock.sleep(delay_s)
        return self.activity.is_busy()


@pytest.fixture
def ray(clock: FakeClock) -> Ray:
    return Ray(clock)


def test_what_the_dashboard_says_counts(ray: Ray) -> None:
    assert not ray.is_busy_after(0)
    ray.open_jobs = True
    assert ray.is_busy_after(1000)


def test_a_dashboard_that_is_silent_for_a_moment_is_no_reason_to_end(ray: Ray) -> None:
    ray.open_jobs = None
    assert ray.is_busy_after(100)
    ray.open_jobs = False
    assert not ray.is_busy_after(10)
    ray.open_jobs = None
    assert ray.is_busy_after(100)


def test_a_dashboard_that_has_died_does_not_keep_ray_for_ever(ray: Ray) -> None:
    ray.open_jobs = None
    assert [ray.is_busy_after(50) for _ in range(5)] == [True, True, False, False, False]
    assert ray.notices == ["Ray did not answer: refused"]


def test_a_run_that_goes_on_without_a_dashboard_is_not_ended(ray: Ray) -> None:
    ray.open_jobs, ray.runs = None, True
    assert ray.is_busy_after(10_000)
    ray.runs = False
    assert not ray.is_busy_after(1)


def test_a_run_is_known_by_its_process() -> None:
    assert not has_runs_below(os.getpid())
    code = "import sys; print(flush=True); sys.stdin.read()"
    argv = [sys.executable, "-c", code, "-m", ENTRY, "folder"]
    with subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.readline()
        assert has_runs_below(os.getpid())
        assert process.stdin is not None
        process.stdin.close()
    assert not has_runs_below(os.getpid())
