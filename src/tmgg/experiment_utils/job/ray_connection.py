"""Connects the experiment to its job's own Ray, and keeps the process's signal handlers and hooks.

A script for Ray begins with `ray.init()` or `ray.init(address="auto")`. Ray refuses this if the
process is connected already, so the experiment's first call closes the connection and connects
anew.
"""

import contextlib
import faulthandler
import functools
import os
import signal
import sys
import threading
from collections.abc import Iterator
from typing import Any

from tmgg.experiment_utils.job.context import RunNode
from tmgg.experiment_utils.job.job_environment import RAY_VARIABLE, noting_what_is_set


def connect_ray(*, namespace: str | None = None) -> list[RunNode]:
    """Connect to the Ray that the environment names, and return its nodes; empty without Ray.

    Processes with the same `namespace` find each other's named actors.
    """
    address = os.environ.get(RAY_VARIABLE)
    if not address:
        return []
    with noting_what_is_set(), _process_kept():
        import ray  # imported here: it takes over a second, and only runs with Ray need it

        ray.init(address=address, namespace=namespace, logging_level="WARNING", log_to_driver=True)
        os.environ["RAY_ADDRESS"] = address
    _allow_own_init(ray, namespace)
    return [
        RunNode(
            hostname=node["NodeManagerHostname"],
            address=node["NodeManagerAddress"],
            cpus=node["Resources"].get("CPU", 0),
            gpus=node["Resources"].get("GPU", 0),
        )
        for node in ray.nodes()
        if node["Alive"]
    ]


def _allow_own_init(ray: Any, namespace: str | None) -> None:
    """Let the experiment's first `ray.init` connect anew, with the options given there."""
    plain = ray.init

    @functools.wraps(plain)
    def init(*arguments: Any, **options: Any) -> Any:
        ray.init = plain
        ray.shutdown()
        with _process_kept():
            return plain(*arguments, **{"namespace": namespace, **options})

    ray.init = init


@contextlib.contextmanager
def _process_kept() -> Iterator[None]:
    """Restore signal handlers and hooks that Ray changes; Ray's fails in a forked child."""
    on_term = signal.getsignal(signal.SIGTERM)
    told_faults = faulthandler.is_enabled()
    try:
        yield
    finally:
        if threading.current_thread() is threading.main_thread():
            signal.signal(signal.SIGTERM, on_term)
        if not told_faults:
            faulthandler.disable()
        if sys.excepthook.__module__.partition(".")[0] == "ray":
            sys.excepthook = sys.__excepthook__
