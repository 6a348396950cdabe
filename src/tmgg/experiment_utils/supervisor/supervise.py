"""A job script in Python: starts the experiment, waits for its end, writes the exit record.

`python -m tmgg.experiment_utils.supervisor.supervise SUBMISSION_FOLDER` is the job of the local
backend; the jobs of other backends run `entry.py`. If this process gets SIGTERM, it ends the
experiment's session: with SIGTERM first, and with SIGKILL after some time. All processes that the
experiment started, in any session, end with it.
"""

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from tmgg.experiment_utils.cloud.local.reservations import Wish, wait_for_room
from tmgg.experiment_utils.files.leaving import leave
from tmgg.experiment_utils.files.process_names import process_name
from tmgg.experiment_utils.job.job_environment import (
    TOKEN_VARIABLE,
    forget_enclosing_job,
    with_own,
)
from tmgg.experiment_utils.run_folder.attempts import record_of
from tmgg.experiment_utils.run_folder.evidence_token import expect_token
from tmgg.experiment_utils.run_folder.paths import SubmissionPaths, submission_paths
from tmgg.experiment_utils.supervisor import processes
from tmgg.experiment_utils.supervisor.claim_run import Start
from tmgg.experiment_utils.supervisor.run_end import Limits
from tmgg.experiment_utils.supervisor.run_supervisor import (
    become_supervisor,
    exit_code_of,
    supervise_run,
)

_ENTRYPOINT = (
    "import sys; from tmgg.experiment_utils.job.execute import execute_task; "
    "sys.exit(execute_task(sys.argv[1]))"
)

OWN_PYTHON = Limits()

Prepare = Callable[[], Mapping[str, str] | None]
"""Returns further variables for the experiment; None if SIGTERM came first."""


def main(folder: Path, *, limits: Limits = OWN_PYTHON) -> int:
    paths = submission_paths(folder)
    record = record_of(paths)
    wish = Wish.of_settings(record.settings)
    start = Start(paths, process_name(os.getpid()))
    options = record.interpreter_options
    return supervise(start, lambda: wait_for_room(wish), limits=limits, options=options)


def supervise(
    start: Start, prepare: Prepare, *, limits: Limits = OWN_PYTHON, options: Sequence[str] = ()
) -> int:
    """Run the experiment in a new Python interpreter; return the exit code for this process.

    `options` are options of that interpreter.
    """

    def start_process(claimed: Start) -> int | None:
        environment = prepare()
        return None if environment is None else _start_python(claimed, environment, limits, options)

    def run() -> int:
        become_supervisor(limits)
        _take_token(start.paths)
        end = supervise_run(start, start_process, limits)
        return 0 if end is None else end.exit_code

    return exit_code_of(run)


def _take_token(paths: SubmissionPaths) -> None:
    """Set the submission's token for this process and its experiment, not an enclosing job's."""
    forget_enclosing_job()
    token = leave(lambda: expect_token(paths), paths.folder)
    if token is not None:
        os.environ[TOKEN_VARIABLE] = token


def _start_python(
    start: Start, environment: Mapping[str, str], limits: Limits, options: Sequence[str]
) -> int:
    supervisor = os.getpid()

    def begin() -> None:
        processes.end_with_parent(supervisor, signal.SIGKILL)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, limits.watched)

    process = subprocess.Popen(
        [sys.executable, *options, "-u", "-c", _ENTRYPOINT, str(start.paths.folder)],
        start_new_session=True,
        env=with_own(os.environ, environment) | start.environment,
        preexec_fn=begin,
    )
    process.returncode = 0  # the supervisor waits for it, not Popen
    return process.pid


if __name__ == "__main__":
    raise SystemExit(main(Path(sys.argv[1])))
