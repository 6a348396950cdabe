"""The state of a cluster as data and as text."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass


@dataclass(frozen=True, slots=True)
class NodeStatus:
    """A compute node as Slurm sees it."""

    name: str
    state: str
    """Slurm's word, such as idle, mixed, allocated, down*."""
    reason: str
    """Why it is down or drained; empty otherwise."""

    @property
    def is_put_aside(self) -> bool:
        """Whether it is down or drained although it answers."""
        return self.state.startswith(("down", "drain")) and not self.state.endswith("*")

    @property
    def is_usable(self) -> bool:
        """Whether jobs run or could run there."""
        return self.state in ("idle", "mixed", "allocated", "completing")


@dataclass(frozen=True, slots=True)
class ClusterStatus:
    """What runs and what does not."""

    name: str
    state_dir: str
    machines: Mapping[str, bool]
    """By machine: whether it has power."""
    daemons: Mapping[str, bool]
    """By daemon and machine, as in `slurmd on node1`: whether it runs."""
    nodes: tuple[NodeStatus, ...]
    """Empty while the controller does not answer."""

    @property
    def is_up(self) -> bool:
        """Whether every machine and every daemon runs, and Slurm can use every node."""
        return (
            bool(self.machines)
            and all(self.machines.values())
            and all(self.daemons.values())
            and bool(self.nodes)
            and all(node.is_usable for node in self.nodes)
        )

    def to_json(self) -> str:
        """The status as JSON, for programs."""
        return json.dumps({**asdict(self), "is_up": self.is_up}, indent=1)


def parse_nodes(sinfo: str) -> tuple[NodeStatus, ...]:
    """Parse the output of `sinfo --noheader --Node --format=%N|%T|%E`; one entry for each node."""
    nodes = {}
    for line in sinfo.splitlines():
        name, state, reason = line.split("|", maxsplit=2)
        nodes[name] = NodeStatus(name, state, "" if reason == "none" else reason)
    return tuple(nodes.values())


def parse_slurmd_starts(show_nodes: str) -> dict[str, int]:
    """Parse the output of `scontrol --oneliner show nodes` with SLURM_TIME_FORMAT=%s.

    Returns by node the Unix second at which its slurmd was started. Nodes that never registered are
    left out.
    """
    starts = {}
    for line in show_nodes.splitlines():
        fields = dict(word.split("=", maxsplit=1) for word in line.split() if "=" in word)
        if fields.get("SlurmdStartTime", "").isdigit():
            starts[fields["NodeName"]] = int(fields["SlurmdStartTime"])
    return starts


def render_status(status: ClusterStatus) -> str:
    """The status as text, for people."""
    if not any(status.machines.values()):
        return f"cluster {status.name}: down ({status.state_dir})"
    lines = [f"cluster {status.name}: {'up' if status.is_up else 'INCOMPLETE'}"]
    lines += [f"  machine {name}: {_word(on)}" for name, on in status.machines.items()]
    lines += [f"  daemon {name}: {_word(on)}" for name, on in status.daemons.items()]
    for node in status.nodes:
        reason = f" ({node.reason})" if node.reason else ""
        lines.append(f"  node {node.name}: {node.state}{reason}")
    lines.append(f"  files: {status.state_dir} (shared folder: {status.state_dir}/shared)")
    return "\n".join(lines)


def _word(is_running: bool) -> str:
    return "runs" if is_running else "OFF"
