from typing import Any

import pytest

from tmgg.experiment_utils.ray_cluster import shortcuts
from tmgg.experiment_utils.ray_cluster.shortcuts import missing_parts, take_shortcuts


class FakeId(str):
    __slots__ = ()

    def hex(self) -> str:
        return str(self)


class FakeClient:
    """Knows the node from the third question on."""

    def __init__(self) -> None:
        self.asked = 0

    def get_all_node_info(self, *, timeout: float) -> dict[FakeId, None]:
        self.asked += 1
        return dict.fromkeys([FakeId("other"), *([FakeId("own")] if self.asked > 2 else [])])


def make_node_class(*, dead: str | None = None) -> Any:
    """Ray's `Node` as far as it concerns the shortcuts; notes what it does."""

    class Node:
        def __init__(self) -> None:
            self._node_id = "own"
            self.done: list[str] = []
            self.client = FakeClient()

        def begin(self, *, dashboard: bool) -> None:
            """In the order of Ray's own constructor."""
            self.start_monitor()
            self.start_ray_client_server()
            self.start_api_server(include_dashboard=dashboard, raise_on_failure=dashboard)
            self.start_ray_processes()

        def start_monitor(self) -> None:
            self.done.append("monitor")

        def start_ray_client_server(self) -> None:
            self.done.append("ray client")

        def start_api_server(self, *, include_dashboard: bool, raise_on_failure: bool) -> None:
            self.done.append("api server")

        def start_log_monitor(self) -> None:
            self.done.append("log monitor")

        def start_ray_processes(self) -> None:
            self.start_log_monitor()
            self.done.append("raylet")

        def get_gcs_client(self) -> FakeClient:
            return self.client

        def dead_processes(self) -> list[tuple[str, object]]:
            return [] if dead is None else [(dead, object())]

    return Node


@pytest.fixture(autouse=True)
def no_usage_stats(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RAY_USAGE_STATS_ENABLED", "0")
    monkeypatch.setattr(shortcuts, "_LOOK_EVERY_S", 0.0)


def shortened(node_class: Any, *, dashboard: bool = False) -> Any:
    node: Any = None
    take_shortcuts(node_class, registered=lambda: node.done.append("registered"))
    node = node_class()
    node.begin(dashboard=dashboard)
    return node


def test_what_can_wait_comes_after_the_node_has_registered() -> None:
    node = shortened(make_node_class())
    assert node.done == ["log monitor", "raylet", "registered", "monitor"]
    assert node.client.asked == 3


def test_usage_is_reported_where_it_was_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RAY_USAGE_STATS_ENABLED", "1")
    assert "api server" in shortened(make_node_class()).done


def test_a_dashboard_that_was_asked_for_is_started() -> None:
    assert "api server" in shortened(make_node_class(), dashboard=True).done


@pytest.mark.parametrize("name", ["raylet", "gcs_server"])
def test_the_end_of_a_vital_process_ends_the_wait(name: str) -> None:
    with pytest.raises(RuntimeError, match=f"{name} ended while Ray started"):
        shortened(make_node_class(dead=name))


def test_the_end_of_another_process_does_not() -> None:
    assert "registered" in shortened(make_node_class(dead="log_monitor")).done


def test_a_ray_that_is_otherwise_is_left_alone() -> None:
    node_class = make_node_class()
    del node_class.dead_processes
    assert missing_parts(node_class) == ["dead_processes"]
    node = shortened(node_class)
    assert node.done == ["monitor", "ray client", "api server", "log monitor", "raylet"]


@pytest.mark.ray
def test_the_installed_ray_is_as_expected() -> None:
    from ray._private.node import Node

    assert not missing_parts(Node)
