"""The command of a backend's job: `python -m ... SUBMISSION_FOLDER JOB_ID [RESTARTS]`.

JOB_ID is the id that the backend's `start()` returned. The job claims its submission with it, and
TMGG asks the backend about this id.
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
    """Supervise a submission's run in this process; return the process's exit code.

    `restarts` is how often the backend started the job before. The experiment gets the variables
    of this process and those in `environment`. Raises RunError if the folder has no valid record,
    OSError if its files cannot be used.
    """
    paths = submission_paths(folder)
    take_logs(paths.run_paths)  # the scheduler's own log of the job may be on a node's local disk
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
