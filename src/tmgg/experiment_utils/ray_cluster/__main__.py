"""`python -m tmgg.experiment_utils.ray_cluster FOLDER OPTIONS`, once on every node."""

import os
import sys

from tmgg.experiment_utils.job.job_exit_codes import RAY_FAILED
from tmgg.experiment_utils.ray_cluster import guardian
from tmgg.experiment_utils.ray_cluster.head import HeadNode
from tmgg.experiment_utils.ray_cluster.job_token import TokenUnreadableError, read_job_token
from tmgg.experiment_utils.ray_cluster.options import parse_options
from tmgg.experiment_utils.ray_cluster.scratch import Scratch, ScratchError
from tmgg.experiment_utils.ray_cluster.scratch_name import (
    ScratchNameError,
    folder_of_start,
)
from tmgg.experiment_utils.ray_cluster.worker import WorkerNode


def main() -> int:
    options = parse_options(sys.argv[1:], os.environ)
    try:
        secret = read_job_token(options.paths)
        scratch = Scratch(folder_of_start(options.scratch_parent, os.environ, secret=secret))
        scratch.make()
    except (ScratchError, ScratchNameError, TokenUnreadableError) as error:
        sys.stderr.write(f"tmgg: {options.node}: {error}\n")
        return RAY_FAILED
    kind = HeadNode if options.is_head else WorkerNode
    code = guardian.guard(lambda: kind(options, scratch.path, secret).run(), scratch)
    return code


if __name__ == "__main__":
    raise SystemExit(main())
