"""The address under which the other nodes reach this one: `python -m ... NODE...` prints it.

Run by the job script on the head, which is the first node of the allocation. symmetric-run takes
the machine whose interface has the address as head, so a name will not do: many sites map a node's
own name to 127.0.1.1, and an unreachable name server costs 40 s per look-up.
"""

import contextlib
import re
import subprocess
import sys
from collections.abc import Sequence

from tmgg.experiment_utils.job.job_exit_codes import NO_HEAD_OR_FOLDER
from tmgg.experiment_utils.ray_cluster import addresses

# Documentation's addresses (RFC 5737, RFC 3849): whoever is asked for the way to them never hears.
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
    # The job script puts a port behind it.
    sys.stdout.write(addresses.with_port(address, "").removesuffix(":") + "\n")
    return 0


def head_address(nodes: Sequence[str]) -> str:
    """The address that leads to the second node; to the default route when there is no second.

    Raises OSError when only a loopback address can be found.
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
    """Slurm's address of the node; its name where Slurm does not say one, or is not there."""
    try:
        found = subprocess.run(
            # Without --all it does not show a node of hidden partitions.
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
