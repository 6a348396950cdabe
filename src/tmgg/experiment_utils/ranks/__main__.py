"""`python -m tmgg.experiment_utils.ranks FOLDER OPTIONS`, once in every task."""

import os
import sys

from tmgg.experiment_utils.ranks.options import parse_options
from tmgg.experiment_utils.ranks.supervisor import NO_HUB, Supervisor
from tmgg.experiment_utils.ray_cluster.job_token import TokenUnreadableError, read_job_token
from tmgg.experiment_utils.ray_cluster.ports import PortsTakenError
from tmgg.experiment_utils.supervisor import processes


def main() -> int:
    options = parse_options(sys.argv[1:], os.environ)
    processes.adopt_orphans()
    try:
        secret = read_job_token(options.paths)
        return Supervisor(options, secret, dict(os.environ)).run()
    except (OSError, PortsTakenError, TokenUnreadableError) as error:
        sys.stderr.write(f"tmgg: {options.node}: rank {options.rank.rank}: {error}\n")
        return NO_HUB


if __name__ == "__main__":
    raise SystemExit(main())
