"""`ray start`, with the slow part done ahead: import Ray, then wait for the arguments.

Run by the supervisor with a pipe's number. Arguments and further environment come as one JSON line
on standard input; its end instead means that they will not come. A word in the pipe says that the
node is up; the end of standard input after that is the time for what can wait.
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
    # Half a second and more: the reason for this module.
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
