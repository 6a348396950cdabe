"""Makes `ray start` faster, by removing its idle waits. Checked on Ray 2.54 and 2.60.

Ray waits half a second for an API server that has nothing to serve without a dashboard. It checks
only once a second whether the node has registered, and goes on for half a minute if the raylet has
died. The head's monitor, which is not needed before the experiment runs, imports Ray on a core that
the raylets need at that time. Ray Client (ray://), which connects drivers from outside, is not used
in a job.

All this is in methods of a private class of Ray. If one of them does not exist, nothing is
replaced, and Ray starts in its usual, slower way.
"""

import functools
import os
import time
from collections.abc import Callable
from typing import Any

_LOOK_EVERY_S = 0.02
_ANSWER_TIMEOUT_S = 10.0
# After this wait Ray's own wait follows, which has its own error message.
_REGISTER_TIMEOUT_S = 30.0
_USED = (
    "start_api_server",
    "start_monitor",
    "start_ray_client_server",
    "start_ray_processes",
    "get_gcs_client",
    "dead_processes",
)
_VITAL = ("raylet", "gcs_server")


def missing_parts(node_class: type) -> list[str]:
    """The names that the shortcuts need and that this Ray's `Node` does not have."""
    return [name for name in _USED if not hasattr(node_class, name)]


def take_shortcuts(node_class: Any, *, registered: Callable[[], None]) -> None:
    """Make `ray._private.node.Node` start faster, if it has the expected methods.

    `registered` is called when Ray's head knows this node. Postponed steps are done after it
    returns.
    """
    if missing_parts(node_class):
        return
    start_ray_processes = node_class.start_ray_processes
    postponed: list[Callable[[], None]] = []

    def start_and_register(node: Any) -> None:
        start_ray_processes(node)
        wait_until_registered(node)
        registered()
        for start in postponed:
            start()

    node_class.start_monitor = _postpone(node_class.start_monitor, postponed)
    node_class.start_ray_processes = start_and_register
    node_class.start_ray_client_server = _start_nothing
    node_class.start_api_server = _unless_useless(node_class.start_api_server)


def wait_until_registered(node: Any) -> None:
    """Wait until the head knows this node; raise RuntimeError if a vital process has ended."""
    own_id = getattr(node, "_node_id", None)
    client = node.get_gcs_client()
    if own_id is None or not hasattr(client, "get_all_node_info"):
        return
    deadline = time.monotonic() + _REGISTER_TIMEOUT_S
    while time.monotonic() < deadline:
        if own_id in {known.hex() for known in client.get_all_node_info(timeout=_ANSWER_TIMEOUT_S)}:
            return
        ended = [name for name, _process in node.dead_processes() if name in _VITAL]
        if ended:
            raise RuntimeError(f"{' and '.join(ended)} ended while Ray started")
        time.sleep(_LOOK_EVERY_S)


def _postpone(
    start: Callable[[Any], None], postponed: list[Callable[[], None]]
) -> Callable[[Any], None]:
    def postpone(node: Any) -> None:
        postponed.append(functools.partial(start, node))

    return postpone


def _unless_useless(start_api_server: Callable[..., None]) -> Callable[..., None]:
    def start(node: Any, **options: Any) -> None:
        # Without a dashboard the API server only reports usage statistics.
        if options.get("include_dashboard") or os.environ.get("RAY_USAGE_STATS_ENABLED") != "0":
            start_api_server(node, **options)

    return start


def _start_nothing(_node: Any) -> None: ...
