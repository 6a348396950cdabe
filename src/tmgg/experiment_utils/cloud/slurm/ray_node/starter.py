"""`ray start`, with the slow part done ahead: import Ray, then wait for the arguments.

Run by the supervisor; arguments and further environment come as one JSON line on standard input.
End of input instead means that they will not come.
"""

import json
import os
import sys

from tmgg.experiment_utils.cloud.slurm.preflight import EXIT_CODE, ray_problem


def main() -> int:
    problem = ray_problem()
    if problem is not None:
        sys.stderr.write(f"{problem}\n")
        return EXIT_CODE
    from ray.scripts import scripts  # half a second and more: the reason for this module

    line = sys.stdin.readline()
    if not line:
        return 0
    order = json.loads(line)
    os.environ.update(order["environment"])
    sys.argv = ["ray", *order["arguments"]]
    scripts.main()
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
