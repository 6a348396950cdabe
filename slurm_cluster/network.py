"""The network of a cluster: a bridge in the switch machine, one cable to every other machine.

Nothing of it is in the host's network namespace.
"""

import ipaddress

from slurm_cluster.addresses import Network
from slurm_cluster.processes import run_host

_BRIDGE = "bridge"


def set_up_switch(switch_pid: int, network: Network) -> None:
    """Make the bridge. It is also the default gateway of all machines, but forwards nothing."""
    _ip(
        switch_pid,
        [
            "link set lo up",
            f"link add {_BRIDGE} type bridge",
            f"addr add {network.gateway}/{network.length} dev {_BRIDGE}{_at_once(network.gateway)}",
            f"link set {_BRIDGE} up",
        ],
    )
    # /proc/sys/net shows the network namespace of the process that opens it.
    run_host([*_in_network_of(switch_pid), "tee", "/proc/sys/net/ipv4/ip_forward"], stdin="0\n")


def plug_in(
    switch_pid: int, machine_pid: int, *, name: str, address: str, network: Network
) -> None:
    """Connect the machine to the switch by a cable, which the machine sees as eth0.

    The default route leads nowhere. It is there because Ray finds its own address by asking for
    the route to a public address, and fails without a route.
    """
    # The hardware address is the same after each boot: otherwise other machines would send to the
    # old one for half a minute.
    mac = _hardware_address(address)
    _remove_dead_cable(switch_pid, name)
    _ip(
        switch_pid,
        [
            f"link add to-{name} type veth peer name eth0 address {mac} netns {machine_pid}",
            f"link set to-{name} master {_BRIDGE} up",
        ],
    )
    _ip(
        machine_pid,
        [
            "link set lo up",
            f"addr add {address}/{network.length} dev eth0{_at_once(address)}",
            "link set eth0 up",
            f"route add default via {network.gateway} dev eth0",
        ],
    )


def set_cable(switch_pid: int, *, name: str, is_up: bool) -> None:
    """Set a cable up or down. While it is down, packets to and from the machine are lost."""
    _ip(switch_pid, [f"link set to-{name} {'up' if is_up else 'down'}"])


def _remove_dead_cable(switch_pid: int, name: str) -> None:
    # A machine that lost power while its cable was cut keeps its network, and with it the cable,
    # until its orphaned connections have timed out.
    shown = run_host([*_in_network_of(switch_pid), "ip", "-oneline", "link", "show"]).stdout
    if f" to-{name}@" in shown:
        _ip(switch_pid, [f"link delete to-{name}"])


def _ip(pid: int, lines: list[str]) -> None:
    run_host([*_in_network_of(pid), "ip", "-batch", "-"], stdin="\n".join(lines) + "\n")


def _hardware_address(address: str) -> str:
    """A locally administered hardware address, always the same for the same IP address."""
    return "02:00:" + ipaddress.ip_address(address).packed[-4:].hex(":")


def _at_once(address: str) -> str:
    """The option by which an address can be used at once.

    Otherwise IPv6 asks the network for a second whether another machine has the address.
    """
    return " nodad" if ":" in address else ""


def _in_network_of(pid: int) -> list[str]:
    return ["nsenter", f"--target={pid}", "--net", "--"]
