"""Who has which address in the network of a cluster.

Each cluster has a network of its own that leads nowhere, so every cluster uses the same addresses.
"""

from slurm_cluster.options import ClusterOptions

PREFIX = "10.99.0."
PREFIX_LENGTH = 24
GATEWAY = f"{PREFIX}254"
SWITCH = "switch"
CONTROLLER = "ctl"
LOGIN = "login"
_FIRST_NODE = 11


def machine_addresses(options: ClusterOptions) -> dict[str, str]:
    """IPv4 address of every machine that has one; the switch has none."""
    addresses = {CONTROLLER: f"{PREFIX}1", LOGIN: f"{PREFIX}2"}
    for index, name in enumerate(options.node_names):
        addresses[name] = f"{PREFIX}{_FIRST_NODE + index}"
    return addresses


def node_range(first: int, count: int) -> str:
    """Compute nodes from number `first` on as a Slurm host list."""
    return f"node[{first}-{first + count - 1}]"


def node_address_range(first: int, count: int) -> str:
    """Their addresses as a Slurm host list."""
    lowest = _FIRST_NODE + first - 1
    return f"{PREFIX}[{lowest}-{lowest + count - 1}]"


def render_hosts(options: ClusterOptions) -> str:
    """/etc/hosts of every machine."""
    lines = ["127.0.0.1 localhost"]
    lines += [f"{address} {name}" for name, address in machine_addresses(options).items()]
    return "\n".join(lines) + "\n"
