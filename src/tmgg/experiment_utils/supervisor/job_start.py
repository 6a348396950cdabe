"""What a supervisor does at each start of a submission; the job script does the same in bash."""

import socket
import sys

from tmgg.experiment_utils.files.atomic_file import write_atomic
from tmgg.experiment_utils.files.looking import is_there
from tmgg.experiment_utils.run_folder.attempt_log import render_mark
from tmgg.experiment_utils.run_folder.paths import SubmissionPaths


def set_aside_earlier(paths: SubmissionPaths, *, restart: int) -> None:
    """What an earlier start left must not be taken for this one's."""
    for left in (paths.phases, paths.result, paths.entrypoint_exit_code):
        if is_there(left):
            left.rename(left.with_name(f"{left.name}.before-restart-{restart}"))
    for left in (paths.ended, paths.stop):
        left.unlink(missing_ok=True)
    # A process of an earlier start, on a node that lost touch, sees by this that it is too late.
    write_atomic(paths.restart, f"{restart}\n".encode())


def mark_logs(paths: SubmissionPaths, *, restart: int, job_id: str) -> None:
    """All starts append to the same two logs; each begins with a line of its own."""
    mark = render_mark(paths.number, restart=restart, job_id=job_id, host=socket.gethostname())
    for stream in (sys.stdout, sys.stderr):
        stream.write(f"{mark}\n")
        stream.flush()
