"""`python3 -m slurm_cluster`."""

import sys

from slurm_cluster.cli import main

sys.exit(main(sys.argv[1:]))
