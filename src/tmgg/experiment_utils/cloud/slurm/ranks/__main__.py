"""`python -m tmgg.experiment_utils.cloud.slurm.ranks FOLDER OPTIONS`, once in every task."""

import os
import sys

from tmgg.experiment_utils.cloud import processes
from tmgg.experiment_utils.cloud.slurm.ranks.options import parse_options
from tmgg.experiment_utils.cloud.slurm.ranks.supervisor import NO_HUB, Supervisor
from tmgg.experiment_utils.cloud.slurm.ray_node.ports import PortsTakenError


def main() -> int:
    options = parse_options(sys.argv[1:], os.environ)
    secret = options.paths.ray_token.read_bytes().strip()
    processes.adopt_orphans()
    try:
        return Supervisor(options, secret, dict(os.environ)).run()
    except (OSError, PortsTakenError) as error:
        sys.stderr.write(f"tmgg: {options.node}: rank {options.rank.rank}: {error}\n")
        return NO_HUB


if __name__ == "__main__":
    raise SystemExit(main())
