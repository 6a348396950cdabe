"""A node's own address and the interface that has it."""

import socket

import pytest

from tmgg.experiment_utils.ray_cluster.addresses import (
    address_of_interface,
    address_towards,
    interface_of_address,
    is_loopback,
    is_own,
    parse_ipv6_addresses,
    with_port,
)


def test_an_address_leads_to_its_interface_and_back() -> None:
    assert interface_of_address(address_of_interface("lo")) == "lo"


def test_an_address_of_another_machine_has_no_interface_here() -> None:
    assert interface_of_address("203.0.113.77") is None


def test_an_ipv6_address_is_in_brackets_before_its_port() -> None:
    assert with_port("fd99::11", 6379) == "[fd99::11]:6379"
    assert with_port("10.0.0.1", 6379) == "10.0.0.1:6379"


@pytest.mark.parametrize("address", ["127.0.0.1", "127.0.1.1", "::1"])
def test_a_loopback_address_is_nobody_elses_way_here(address: str) -> None:
    assert is_loopback(address)
    assert not is_own(address)


def test_a_name_and_another_machines_address_are_no_own_address() -> None:
    assert not is_loopback("node1")
    assert not is_own("203.0.113.77")
    assert not is_own("2001:db8::77")


@pytest.mark.parametrize("address", ["127.0.0.1", "::1"])
def test_the_way_is_found_in_both_families(address: str) -> None:
    if address == "::1" and not socket.has_dualstack_ipv6():
        pytest.skip("this machine has no IPv6")
    assert address_towards(address) == address


def test_no_way_is_an_error() -> None:
    with pytest.raises(OSError, match=r"."):
        address_towards("fe80::1")  # of which interface?


def test_of_an_interfaces_ipv6_addresses_those_that_others_can_use_count() -> None:
    lines = [
        "00000000000000000000000000000001 01 80 10 80       lo",
        "fd990000000000000000000000000011 02 40 00 80     eth0",
        "fd990000000000000000000000000012 02 40 00 a0     eth0",
        "fe800000000000000000000000000001 02 40 20 80     eth0",
        "fd990000000000000000000000000013 03 40 00 80      ib0",
    ]
    assert parse_ipv6_addresses(lines, "eth0") == ["fd99::11"]
    assert parse_ipv6_addresses(lines, "lo") == []
