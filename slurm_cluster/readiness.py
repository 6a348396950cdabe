"""Finds out what runs in a cluster, and waits until Slurm can use its nodes."""

import time
from collections.abc import Mapping

from slurm_cluster.addresses import CONTROLLER
from slurm_cluster.daemons import SLURMCTLD, daemons_of
from slurm_cluster.errors import ClusterError
from slurm_cluster.machine import Machine
from slurm_cluster.options import ClusterOptions
from slurm_cluster.processes import wait_until
from slurm_cluster.status import ClusterStatus, NodeStatus, parse_nodes, parse_slurmd_starts

_NODES_TIMEOUT_S = 60
_SINFO = ["sinfo", "--noheader", "--Node", "--format=%N|%T|%E"]
_SHOW_NODES = ["env", "SLURM_TIME_FORMAT=%s", "scontrol", "--oneliner", "show", "nodes"]


def wait_for_nodes(controller: Machine, started: Mapping[str, int]) -> None:
    """Wait until Slurm can use the nodes. A node that answers but is down or drained is resumed.

    `started` has, by node, the first Unix second at which its slurmd may have started; this
    excludes a state from before a restart. Raises ClusterError after _NODES_TIMEOUT_S.
    """
    resumed: dict[str, float] = {}

    def are_usable() -> bool:
        known = read_slurmd_starts(controller)
        nodes = {node.name: node for node in read_nodes(controller)}
        if any(name not in nodes or known.get(name, -1) < since for name, since in started.items()):
            return False
        for name in started:
            if nodes[name].is_put_aside and time.monotonic() > resumed.get(name, 0):
                _resume(controller, name)
                resumed[name] = time.monotonic() + 2
        return all(nodes[name].is_usable for name in started)

    try:
        wait_until(are_usable, timeout_s=_NODES_TIMEOUT_S, what="usable nodes", interval_s=0.05)
    except ClusterError as error:
        said = controller.run_as_root(["sinfo", "-N", "-l"], check=False).stdout
        raise ClusterError(f"{error}; sinfo says:\n{said}") from error


def read_nodes(controller: Machine) -> tuple[NodeStatus, ...]:
    """The compute nodes as Slurm sees them; empty while slurmctld does not answer."""
    if not controller.pids_of(SLURMCTLD.name):
        return ()
    try:
        return parse_nodes(controller.run_as_root(_SINFO).stdout)
    except ClusterError:
        return ()


def read_slurmd_starts(controller: Machine) -> dict[str, int]:
    """Unix second at which slurmd was started, by node, if the node has registered."""
    answer = controller.run_as_root(_SHOW_NODES, check=False)
    return parse_slurmd_starts(answer.stdout) if answer.returncode == 0 else {}


def read_status(
    name: str, state_dir: str, machines: Mapping[str, Machine], options: ClusterOptions
) -> ClusterStatus:
    """What runs and what does not."""
    return ClusterStatus(
        name=name,
        state_dir=state_dir,
        machines={name: machine.is_running for name, machine in machines.items()},
        daemons={
            f"{daemon.name} on {name}": bool(machine.pids_of(daemon.name))
            for name, machine in machines.items()
            for daemon in daemons_of(name, options)
        },
        nodes=read_nodes(machines[CONTROLLER]),
    )


def _resume(controller: Machine, name: str) -> None:
    # Slurm refuses this while the node is coming back by itself; the next round sees the node.
    controller.run_as_root(["scontrol", "update", f"nodename={name}", "state=resume"], check=False)
