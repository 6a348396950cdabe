"""The address at which the other nodes reach this one: `python -m ... NODE...` prints it.

The job script runs it on the head, which is the first node of the allocation. symmetric-run takes
the machine with this address on an interface as the head. A name is not enough: many sites map a
node's own name to 127.0.1.1, and with an unreachable name server each look-up takes 40 s.
"""

import contextlib
import re
import subprocess
import sys
from collections.abc import Sequence

from tmgg.experiment_utils.job.job_exit_codes import NO_HEAD_OR_FOLDER
from tmgg.experiment_utils.ray_cluster import addresses

# Addresses reserved for documentation (RFC 5737, RFC 3849): no machine has them, but the kernel
# has a route to them, and so tells this node's address.
_NOBODY = ("192.0.2.1", "2001:db8::1")
QUERY_TIMEOUT_S = 30
_NODE_ADDRESS = re.compile(r"\bNodeAddr=(\S+)")


def main(nodes: Sequence[str]) -> int:
    try:
        address = head_address(nodes)
    except OSError as error:
        sys.stderr.write(
            f"tmgg: cannot tell the head node's address: {error}. "
            "tmgg-jobs doctor looks for it; NodeAddr in slurm.conf can say it.\n"
        )
        return NO_HEAD_OR_FOLDER
    # The job script appends a port.
    sys.stdout.write(addresses.with_port(address, "").removesuffix(":") + "\n")
    return 0


def head_address(nodes: Sequence[str]) -> str:
    """This node's address towards the second node; towards the default route if it is alone.

    Raises OSError if the second node cannot be reached, or only from a loopback address.
    """
    if len(nodes) < 2:
        return _address_alone()
    target = _node_address(nodes[1])
    address = addresses.address_towards(target)
    if addresses.is_loopback(address):
        raise OSError(f"{target} is reached from {address}; other nodes cannot use that")
    return address


def _address_alone() -> str:
    for target in _NOBODY:
        with contextlib.suppress(OSError):
            return addresses.address_towards(target)
    return "127.0.0.1"  # one node and no route at all


def _node_address(node: str) -> str:
    """The node's address in Slurm; its name if Slurm gives none or does not answer."""
    try:
        found = subprocess.run(
            # Without --all scontrol does not show nodes of hidden partitions.
            ["scontrol", "--all", "show", "node", node],
            capture_output=True,
            text=True,
            timeout=QUERY_TIMEOUT_S,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return node
    match = _NODE_ADDRESS.search(found.stdout)
    return match.group(1) if match else node


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
