"""The addresses of the machines in the network of a cluster.

Each cluster has its own network, connected to no other, so every cluster uses the same addresses.
"""

from dataclasses import dataclass

from slurm_cluster.options import ClusterOptions


@dataclass(frozen=True, slots=True)
class Network:
    """The part that the machines' addresses have in common, and a gateway that no machine has."""

    prefix: str
    length: int
    gateway: str
    localhost: str


_IPV4 = Network("10.99.0.", 24, "10.99.0.254", "127.0.0.1 localhost")
_IPV6 = Network("fd99::", 64, "fd99::fe", "127.0.0.1 localhost\n::1 localhost")
SWITCH = "switch"
CONTROLLER = "ctl"
LOGIN = "login"
_FIRST_NODE = 11


def network_of(options: ClusterOptions) -> Network:
    """The network of a cluster: IPv4, or IPv6 with the option `ipv6`."""
    return _IPV6 if options.ipv6 else _IPV4


def machine_addresses(options: ClusterOptions) -> dict[str, str]:
    """Address of every machine that has one; the switch has none."""
    prefix = network_of(options).prefix
    addresses = {CONTROLLER: f"{prefix}1", LOGIN: f"{prefix}2"}
    for index, name in enumerate(options.node_names):
        addresses[name] = f"{prefix}{_FIRST_NODE + index}"
    return addresses


def node_range(first: int, count: int) -> str:
    """`count` compute nodes from number `first` on, as a Slurm host list."""
    return f"node[{first}-{first + count - 1}]"


def node_address_range(options: ClusterOptions, first: int, count: int) -> str:
    """The addresses of the nodes of `node_range`, as a Slurm host list."""
    lowest = _FIRST_NODE + first - 1
    return f"{network_of(options).prefix}[{lowest}-{lowest + count - 1}]"


def render_hosts(options: ClusterOptions) -> str:
    """/etc/hosts of every machine."""
    lines = [network_of(options).localhost]
    lines += [f"{address} {name}" for name, address in machine_addresses(options).items()]
    return "\n".join(lines) + "\n"
