"""A node's own address and the interface that has it."""

from tmgg.experiment_utils.ray_cluster.addresses import (
    address_of_interface,
    interface_of_address,
)


def test_an_address_leads_to_its_interface_and_back() -> None:
    assert interface_of_address(address_of_interface("lo")) == "lo"


def test_an_address_of_another_machine_has_no_interface_here() -> None:
    assert interface_of_address("203.0.113.77") is None
