"""`python -m tmgg.experiment_utils.cloud.slurm.ray_node FOLDER OPTIONS`, once on every node."""

import os
import sys

from tmgg.experiment_utils.cloud.slurm.ray_node import guardian
from tmgg.experiment_utils.cloud.slurm.ray_node.head_node import HeadNode
from tmgg.experiment_utils.cloud.slurm.ray_node.node import NO_RAY_START
from tmgg.experiment_utils.cloud.slurm.ray_node.options import parse_options
from tmgg.experiment_utils.cloud.slurm.ray_node.scratch import Scratch, ScratchError, scratch_path
from tmgg.experiment_utils.cloud.slurm.ray_node.worker_node import WorkerNode


def main() -> int:
    options = parse_options(sys.argv[1:], os.environ)
    secret = (options.paths.ray_token).read_bytes().strip()
    path = scratch_path(
        options.scratch_parent, job_id=options.job_id, start=options.start, secret=secret
    )
    scratch = Scratch(path)
    try:
        scratch.make()
    except ScratchError as error:
        sys.stderr.write(f"tmgg: {options.node}: {error}\n")
        return NO_RAY_START
    kind = HeadNode if options.is_head else WorkerNode
    return guardian.guard(lambda: kind(options, scratch.path, secret).run(), scratch)


if __name__ == "__main__":
    raise SystemExit(main())
