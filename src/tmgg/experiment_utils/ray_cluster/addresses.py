"""This node's own address, without asking a name server.

A name will not do: many sites map a node's own name to 127.0.1.1, and an unreachable name server
costs 40 s per look-up.
"""

import contextlib
import fcntl
import socket
import struct

_GET_INTERFACE_ADDRESS = 0x8915  # SIOCGIFADDR, netdevice(7)


def address_of_interface(name: str) -> str:
    """The IPv4 address of a network interface; OSError when it has none or is not there."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        request = struct.pack("256s", name.encode()[:15])
        answer = fcntl.ioctl(probe.fileno(), _GET_INTERFACE_ADDRESS, request)
    return socket.inet_ntoa(answer[20:24])


def interface_of_address(address: str) -> str | None:
    """The network interface that has this IPv4 address as its first; None when none has."""
    for _index, name in socket.if_nameindex():
        with contextlib.suppress(OSError):
            if address_of_interface(name) == address:
                return name
    return None


def address_towards(target: str) -> str:
    """The address packets to `target` carry; OSError when there is no way to it."""
    # Connecting a UDP socket sends nothing; it only makes the kernel choose route and source.
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.connect((target, 9))
        return str(probe.getsockname()[0])


def is_own(address: str) -> bool:
    """Whether `address` belongs to this machine and others can reach it."""
    if address.startswith("127."):
        return False
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.bind((address, 0))
        except OSError:
            return False
    return True
