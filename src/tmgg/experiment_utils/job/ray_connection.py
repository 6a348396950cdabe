"""The experiment's connection to its job's own Ray, which leaves the process as it was.

A script for Ray begins with `ray.init()` or `ray.init(address="auto")`, which Ray refuses where a
connection is there already: the experiment's first call connects anew.
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
    """Connect to the Ray that the environment names; its nodes, none where there is no Ray.

    Processes that give the same `namespace` find each other's named actors.
    """
    address = os.environ.get(RAY_VARIABLE)
    if not address:
        return []
    with noting_what_is_set(), _process_kept():
        import ray  # over a second to import: only for runs that have a Ray cluster

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
    """The experiment's first `ray.init` connects anew, with the options that it gives."""
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
    """Signals and hooks are the experiment's, not Ray's, whose handler breaks in a forked child."""
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
