"""RayRunner on a cluster of two nodes that it did not start, known by its address and token."""

import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tmgg.experiment_utils.cloud import RayConfig, RayRunner
from tmgg.testing import BackendUnderTest, CloudRunnerSuite
from tmgg.testing.backend import config

pytestmark = [pytest.mark.ray, pytest.mark.timeout(600)]


@dataclass(frozen=True)
class TwoNodes:
    address: str
    token_path: str
    process: subprocess.Popen[str]

    def lose_one(self) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write("lose\n")
        self.process.stdin.flush()


@pytest.fixture(scope="module")
def two_nodes() -> Iterator[TwoNodes]:
    # Short, because the names of sockets are.
    folder = Path(tempfile.mkdtemp(prefix="r2-"))
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.testing.two_nodes", str(folder)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    with process:
        assert process.stdout is not None
        yield TwoNodes(process.stdout.readline().strip(), str(folder / "token"), process)
        process.communicate(timeout=150)
    shutil.rmtree(folder)


class TestRayOfTwoNodes(CloudRunnerSuite):
    @pytest.fixture(scope="class")
    @classmethod
    def backend(
        cls, two_nodes: TwoNodes, tmp_path_factory: pytest.TempPathFactory
    ) -> BackendUnderTest:
        options = {
            "address": two_nodes.address,
            "token_path": two_nodes.token_path,
            "output_dir": str(tmp_path_factory.mktemp("runs")),
            "connect": False,
            "poll_interval_s": 1,
        }
        return BackendUnderTest("ray", options, patience_s=240)


@pytest.mark.long
def test_runs_are_placed_by_what_they_need_and_one_that_loses_its_node_runs_again(
    two_nodes: TwoNodes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each node has one `slot`, so two runs have a node each and a third would wait."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TMGG_HOME", str(tmp_path / "home"))
    runner = RayRunner(
        RayConfig(
            address=two_nodes.address,
            token_path=two_nodes.token_path,
            resources={"slot": 1},
            max_retries=1,
            poll_interval_s=1,
        )
    )
    hold = config("hold", hold_s=15)
    ids = [runner.spawn_experiment(hold).run_id for _ in range(2)]
    wait = BackendUnderTest("ray", patience_s=120).wait_until
    wait(lambda: [runner.get_status(run_id) for run_id in ids] == ["running"] * 2, "both to run")
    two_nodes.lose_one()
    results = [runner.get_result(run_id) for run_id in ids]
    assert [result.status for result in results] == ["completed"] * 2, results
    assert sorted(result.attempts for result in results) == [1, 2]
    first, again = sorted(results, key=lambda result: result.attempts)
    # The one node that is left has one slot.
    assert again.metrics["began"] >= first.metrics["ended"]
    # What an experiment is connected to: two nodes at first, one in the end.
    assert (len(first.nodes), len(again.nodes)) == (2, 1)
