"""RayRunner passes the tests that every backend passes, on a Ray of its own."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tmgg.experiment_utils.cloud import RayConfig, RayRunner
from tmgg.experiment_utils.cloud.ray.own_ray import (
    end_own_ray,
    find_own_ray,
    note_path,
    state_folder,
)
from tmgg.experiment_utils.files.process_names import process_start
from tmgg.experiment_utils.supervisor.processes import descendants
from tmgg.testing import BackendUnderTest, CloudRunnerSuite
from tmgg.testing.backend import config

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


def folder_of(raylet: int) -> Path:
    """Where it keeps its files."""
    environment = Path(f"/proc/{raylet}/environ").read_text().split("\0")
    return Path(dict(item.split("=", 1) for item in environment if item)["RAY_TMPDIR"])


def test_a_ray_of_ones_own_ends_when_it_is_idle_and_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TMGG_HOME", str(tmp_path / "home"))
    runner = RayRunner(RayConfig(connect=False, local_cpus=1, local_idle_s=12))
    assert runner.run_experiment(config("square", x=3)).metrics == {"square": 9}
    ray = find_own_ray()
    assert ray is not None
    assert note_path(state_folder()).stat().st_mode & 0o077 == 0
    host = int(ray.process.partition(".")[0])
    names = descendants(host)
    (raylet,) = [pid for pid, name in names.items() if name == "raylet"]
    scratch = folder_of(raylet)
    assert scratch.match("/tmp/tmgg-ray-*")
    assert scratch.stat().st_mode & 0o077 == 0

    wait = BackendUnderTest("ray", patience_s=90).wait_until
    wait(lambda: find_own_ray() is None, "the idle Ray to end")
    wait(lambda: not [pid for pid in [host, *names] if process_start(pid)], "its processes to end")
    assert not scratch.exists()
    assert runner.run_experiment(config("square", x=4)).metrics == {"square": 16}
    assert end_own_ray() is True
    assert end_own_ray() is False
