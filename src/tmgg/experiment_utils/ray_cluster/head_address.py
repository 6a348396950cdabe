"""The address under which the other nodes reach this one: `python -m ... NODE...` prints it.

Run by the job script on the head, which is the first node of the allocation. symmetric-run takes
the machine whose interface has the address as head, so a name will not do: many sites map a node's
own name to 127.0.1.1, and an unreachable name server costs 40 s per look-up.
"""

import re
import socket
import subprocess
import sys
from collections.abc import Sequence

from tmgg.experiment_utils.job.job_exit_codes import NO_HEAD_OR_FOLDER

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
    sys.stdout.write(address + "\n")
    return 0


def head_address(nodes: Sequence[str]) -> str:
    """Of the interface that leads to the second node; of the default route when there is one node.

    Raises OSError when only a loopback address can be found.
    """
    target = _node_address(nodes[1]) if len(nodes) > 1 else "192.0.2.1"  # RFC 5737: never answers
    address = address_towards(target)
    if address.startswith("127.") and len(nodes) > 1:
        raise OSError(f"{target} is reached from {address}; other nodes cannot use that")
    return address


def address_towards(target: str) -> str:
    """This machine's address as `target` sees it; raises OSError where no route leads there."""
    # Connecting a UDP socket sends nothing; it only makes the kernel choose route and source.
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect((target, 9))
        except OSError:
            if target == "192.0.2.1":
                return "127.0.0.1"  # one node and no route at all
            raise
        return str(probe.getsockname()[0])


def _node_address(node: str) -> str:
    found = subprocess.run(
        ["scontrol", "show", "node", node],
        capture_output=True,
        text=True,
        timeout=QUERY_TIMEOUT_S,
        check=False,
    )
    match = _NODE_ADDRESS.search(found.stdout)
    return match.group(1) if match else node


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
