"""`ray start`, with the slow part done ahead: it imports Ray, then waits for the arguments.

The supervisor runs it with the descriptor of a pipe. Arguments and variables of the environment
come as one JSON line on standard input; if standard input ends without a line, the starter ends. It
writes `up` to the pipe when the node is up. Then it waits for the end of standard input before it
does the postponed steps.
"""

import json
import os
import sys

from tmgg.experiment_utils.job.job_exit_codes import NO_RAY
from tmgg.experiment_utils.ray_cluster.preflight import ray_problem
from tmgg.experiment_utils.ray_cluster.shortcuts import take_shortcuts


def main(pipe: int) -> int:
    problem = ray_problem()
    if problem is not None:
        sys.stderr.write(f"{problem}\n")
        return NO_RAY
    # These imports take half a second and more, which is the reason for this module.
    from ray._private.node import Node
    from ray.scripts import scripts

    line = sys.stdin.readline()
    if not line:
        return 0
    order = json.loads(line)
    os.environ.update(order["environment"])

    def registered() -> None:
        os.write(pipe, b"up\n")
        sys.stdin.read()

    take_shortcuts(Node, registered=registered)
    sys.argv = ["ray", *order["arguments"]]
    scripts.main()
    return 0


if __name__ == "__main__":
    raise SystemExit(main(int(sys.argv[1])))
