"""The experiment's process and its run's Ray cluster; Ray itself is pretended."""

import os
import signal
import sys
import types
from typing import Any

import pytest

from tmgg.experiment_utils.job.ray_connection import connect_ray

NODE = {
    "NodeManagerHostname": "node1", "NodeManagerAddress": "10.0.0.1", "Alive": True,
    "Resources": {"CPU": 2.0},
}  # fmt: skip


class PretendedRay(types.ModuleType):
    """Refuses to connect twice and takes SIGTERM for itself, as Ray does."""

    def __init__(self) -> None:
        super().__init__("ray")
        self.connections: list[dict[str, Any]] = []
        self.connected = False

    def init(self, address: str | None = None, **options: Any) -> str:
        signal.signal(signal.SIGTERM, lambda *_: sys.exit(15))
        if self.connected:
            raise RuntimeError("Maybe you called ray.init twice by accident?")
        self.connected = True
        self.connections.append({"address": address, **options})
        return "context"

    def shutdown(self) -> None:
        self.connected = False

    def nodes(self) -> list[dict[str, Any]]:
        return [NODE, {**NODE, "Alive": False}]


@pytest.fixture
def ray(monkeypatch: pytest.MonkeyPatch) -> Any:
    pretended = PretendedRay()
    monkeypatch.setitem(sys.modules, "ray", pretended)
    monkeypatch.setenv("RAY_ADDRESS", "elsewhere:1")
    monkeypatch.setenv("TMGG_RAY_ADDRESS", "10.0.0.1:6379")
    before = signal.getsignal(signal.SIGTERM)
    yield pretended
    signal.signal(signal.SIGTERM, before)


def test_a_script_may_connect_as_it_does_at_home(ray: Any) -> None:
    nodes = connect_ray()
    assert [(node.hostname, node.cpus, node.gpus) for node in nodes] == [("node1", 2.0, 0)]
    assert os.environ["RAY_ADDRESS"] == "10.0.0.1:6379"

    assert ray.init(address="auto", runtime_env={"env_vars": {}}) == "context"

    assert ray.connections[-1] == {
        "address": "auto", "namespace": None, "runtime_env": {"env_vars": {}},
    }  # fmt: skip
    with pytest.raises(RuntimeError, match="twice"):
        ray.init()


def test_a_namespace_is_the_scripts_own_or_the_one_given(ray: Any) -> None:
    connect_ray(namespace="run-1")
    ray.init()
    assert [one["namespace"] for one in ray.connections] == ["run-1", "run-1"]
    ray.shutdown()
    connect_ray(namespace="run-1")
    ray.init(namespace="mine")
    assert ray.connections[-1]["namespace"] == "mine"


def test_connecting_again_leaves_the_handler_that_is_there(ray: Any) -> None:
    connect_ray()
    told: list[int] = []
    signal.signal(signal.SIGTERM, lambda number, _frame: told.append(number))
    ray.init()
    signal.raise_signal(signal.SIGTERM)
    assert told == [signal.SIGTERM]
