"""Run a batch whose Ray is up: `python -m tmgg.experiment_utils.packed BATCH_FOLDER OPTIONS`."""

import sys

from tmgg.experiment_utils.packed.main import main

if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
