"""What Ray starts on a node: `python -m ... FOLDER JOB_ID RESTARTS [--connect]`."""

import os
import sys
from pathlib import Path

from tmgg.experiment_utils.cloud.local_supervisor import Start, supervise
from tmgg.experiment_utils.paths import SubmissionPaths, submission_paths
from tmgg.experiment_utils.registry import load_run


def main(folder: str, job_id: str, restarts: str, *options: str) -> int:
    paths = submission_paths(Path(folder))
    _write_to_the_runs_logs(paths)
    os.chdir(load_run(paths.run_paths).base_dir)
    # Ray's own variable: the cluster that runs this job.
    address = os.environ.get("RAY_ADDRESS", "")
    connect = {"TMGG_RAY_ADDRESS": address} if "--connect" in options and address else {}
    return supervise(Start(paths, job_id, int(restarts)), lambda: connect)


def _write_to_the_runs_logs(paths: SubmissionPaths) -> None:
    """Ray's own log of the job is on one node's disk."""
    for stream, log in ((sys.stdout, paths.run_paths.stdout), (sys.stderr, paths.run_paths.stderr)):
        with log.open("ab") as file:
            os.dup2(file.fileno(), stream.fileno())


if __name__ == "__main__":
    raise SystemExit(main(*sys.argv[1:]))
