"""What the job of a backend runs: `python -m ... SUBMISSION_FOLDER JOB_ID [RESTARTS]`.

JOB_ID is what the backend's `start()` returned: the job claims its submission with it, and the
backend is asked about it.
"""

import os
import sys
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType

from tmgg.experiment_utils.run_folder.attempts import record_of
from tmgg.experiment_utils.run_folder.paths import submission_paths
from tmgg.experiment_utils.supervisor.claim_run import Start
from tmgg.experiment_utils.supervisor.run_supervisor import take_logs
from tmgg.experiment_utils.supervisor.supervise import supervise

_NOTHING: Mapping[str, str] = MappingProxyType({})


def run_job(
    folder: Path, job_id: str, *, restarts: int = 0, environment: Mapping[str, str] = _NOTHING
) -> int:
    """See a submission's run to its end in this process; the exit code for it.

    `restarts` is how often the backend started the job before. `environment` is what the
    experiment gets besides the variables of this process. Raises RunError for a folder without a
    sound record, OSError where its files cannot be used.
    """
    paths = submission_paths(folder)
    take_logs(paths.run_paths)  # a scheduler's own log of the job may be on one node's disk
    record = record_of(paths)
    os.chdir(record.base_dir)
    start = Start(paths, job_id, restarts)
    return supervise(start, lambda: environment, options=record.interpreter_options)


def main(folder: str, job_id: str, restarts: str = "0") -> int:
    return run_job(Path(folder), job_id, restarts=int(restarts))


if __name__ == "__main__":
    if len(sys.argv) not in (3, 4):
        raise SystemExit(f"usage: {sys.argv[0]} SUBMISSION_FOLDER JOB_ID [RESTARTS]")
    raise SystemExit(main(*sys.argv[1:]))
