"""What Ray starts on a node: `python -m ... FOLDER JOB_ID RESTARTS [--connect]`."""

import os
import sys
from pathlib import Path

from tmgg.experiment_utils.job.job_environment import RAY_VARIABLE
from tmgg.experiment_utils.supervisor.entry import run_job


def main(folder: str, job_id: str, restarts: str, *options: str) -> int:
    # Ray sets this variable to the address of the cluster that runs this job.
    address = os.environ.get("RAY_ADDRESS", "")
    connect = {RAY_VARIABLE: address} if "--connect" in options and address else {}
    # Ray's variables lead to this cluster. They go only to the experiment: they must not get into
    # the environment of a Slurm job that it submits.
    of_ray = {name: os.environ.pop(name) for name in [*os.environ] if name.startswith("RAY_")}
    return run_job(Path(folder), job_id, restarts=int(restarts), environment=connect | of_ray)


if __name__ == "__main__":
    raise SystemExit(main(*sys.argv[1:]))
