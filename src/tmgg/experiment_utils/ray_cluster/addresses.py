"""This node's own address, without asking a name server.

The node's name is not enough: many sites map it to 127.0.1.1, and with an unreachable name server
each look-up takes 40 s. On nodes with IPv6 only, all addresses here are IPv6.
"""

import contextlib
import fcntl
import ipaddress
import socket
import struct
from pathlib import Path

_GET_INTERFACE_ADDRESS = 0x8915  # SIOCGIFADDR, netdevice(7)
_IPV6_ADDRESSES = Path("/proc/net/if_inet6")
_GLOBAL, _DEPRECATED_OR_TENTATIVE = 0x00, 0x20 | 0x40 | 0x08  # linux/if_addr.h


def with_port(address: str, port: int | str) -> str:
    """`address:port`, with an IPv6 address in brackets, as in URLs; Ray accepts this form."""
    return f"[{address}]:{port}" if ":" in address else f"{address}:{port}"


def is_loopback(address: str) -> bool:
    """Whether `address` is a loopback address, useless to other machines; False for a name."""
    try:
        return ipaddress.ip_address(address).is_loopback
    except ValueError:
        return False


def address_of_interface(name: str) -> str:
    """The address of a network interface: IPv4 if it has one, else IPv6.

    Raises OSError if the interface has no address or does not exist.
    """
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        request = struct.pack("256s", name.encode()[:15])
        try:
            answer = fcntl.ioctl(probe.fileno(), _GET_INTERFACE_ADDRESS, request)
        except OSError:
            found = _ipv6_addresses(name)
            if not found:
                raise
            return found[0]
    return socket.inet_ntoa(answer[20:24])


def interface_of_address(address: str) -> str | None:
    """The network interface with this address; None if there is none.

    Of the IPv4 addresses of an interface only the first is known here.
    """
    for _index, name in socket.if_nameindex():
        with contextlib.suppress(OSError):
            if address in (address_of_interface(name), *_ipv6_addresses(name)):
                return name
    return None


def address_towards(target: str) -> str:
    """This node's address in packets to `target`; raises OSError if there is no route to it."""
    trouble = OSError(f"{target} has no address")
    for family, _kind, _protocol, _name, place in socket.getaddrinfo(
        target, 9, type=socket.SOCK_DGRAM
    ):
        # Connecting a UDP socket sends nothing; it only makes the kernel choose route and source.
        with socket.socket(family, socket.SOCK_DGRAM) as probe:
            try:
                probe.connect(place)
            except OSError as error:
                trouble = error
                continue
            return str(probe.getsockname()[0])
    raise trouble


def is_own(address: str) -> bool:
    """Whether `address` belongs to this machine and others can reach it."""
    if is_loopback(address):
        return False
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with socket.socket(family, socket.SOCK_DGRAM) as probe:
        try:
            probe.bind((address, 0))
        except OSError:
            return False
    return True


def _ipv6_addresses(interface: str) -> list[str]:
    """The interface's addresses that other machines can use, without deprecated ones (proc(5))."""
    try:
        lines = _IPV6_ADDRESSES.read_text().splitlines()
    except OSError:
        return []  # no IPv6 on this machine
    return parse_ipv6_addresses(lines, interface)


def parse_ipv6_addresses(lines: list[str], interface: str) -> list[str]:
    """The addresses of global scope of one interface, from /proc/net/if_inet6."""
    found = []
    for line in lines:
        digits, _index, _length, scope, flags, name = line.split()
        is_usable = int(scope, 16) == _GLOBAL and not int(flags, 16) & _DEPRECATED_OR_TENTATIVE
        if name == interface and is_usable:
            found.append(str(ipaddress.IPv6Address(int(digits, 16))))
    return found
