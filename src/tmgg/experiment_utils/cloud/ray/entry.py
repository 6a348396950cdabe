"""What Ray starts on a node: `python -m ... FOLDER JOB_ID RESTARTS [--connect]`."""

import os
import sys
from pathlib import Path

from tmgg.experiment_utils.job.job_environment import RAY_VARIABLE
from tmgg.experiment_utils.run_folder.attempts import record_of
from tmgg.experiment_utils.run_folder.paths import submission_paths
from tmgg.experiment_utils.supervisor.claim_run import Start
from tmgg.experiment_utils.supervisor.run_supervisor import take_logs
from tmgg.experiment_utils.supervisor.supervise import supervise


def main(folder: str, job_id: str, restarts: str, *options: str) -> int:
    paths = submission_paths(Path(folder))
    take_logs(paths.run_paths)  # Ray's own log of the job is on one node's disk
    os.chdir(record_of(paths).base_dir)
    # Ray's own variable: the cluster that runs this job.
    address = os.environ.get("RAY_ADDRESS", "")
    connect = {RAY_VARIABLE: address} if "--connect" in options and address else {}
    # Ray's own lead to this cluster: a Slurm job that the experiment submits must not have them.
    of_ray = {name: os.environ.pop(name) for name in [*os.environ] if name.startswith("RAY_")}
    return supervise(Start(paths, job_id, int(restarts)), lambda: connect | of_ray)


if __name__ == "__main__":
    raise SystemExit(main(*sys.argv[1:]))
