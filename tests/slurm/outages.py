"""Breaking the cluster for the length of a `with` block, and mending it whatever happens."""

import contextlib
from collections.abc import Iterator
from dataclasses import replace

from slurm_cluster import Cluster


@contextlib.contextmanager
def without(cluster: Cluster, daemon: str) -> Iterator[None]:
    """A daemon of the controller is down."""
    cluster.stop_daemon(daemon)
    try:
        yield
    finally:
        cluster.start_daemon(daemon)


@contextlib.contextmanager
def settings(cluster: Cluster, **lines: str) -> Iterator[None]:
    """Other lines in slurm.conf; an empty one removes the line."""
    cluster.reconfigure(**lines)
    try:
        yield
    finally:
        cluster.reconfigure(**dict.fromkeys(lines))


@contextlib.contextmanager
def memory_limits(cluster: Cluster) -> Iterator[None]:
    """Slurm enforces what jobs ask for, with control groups."""
    before = cluster.options
    cluster.options = replace(before, constrain_memory=True)
    try:
        cluster.up()
        yield
    finally:
        cluster.options = before
        cluster.up()


@contextlib.contextmanager
def power_off(cluster: Cluster, node: str) -> Iterator[None]:
    """A compute node has no power."""
    cluster.power_off(node)
    try:
        yield
    finally:
        cluster.power_on(node)
