"""The exit codes of the job script and of TMGG's processes in a job.

All code that writes or reads these numbers takes them from here. docs/slurm.md has the same table.
"""

import signal

COMPLETED = 0
FAILED = 1
SUPERVISOR_FAILED = 70
NOT_STARTED = 71
NO_RAY = 72
NO_HEAD_OR_FOLDER = 73
CANNOT_WRITE = 74
RAY_FAILED = 75
TOO_MANY_RESTARTS = 76
SUPERSEDED = 77
NO_NODES = 78
STOPPED = 85  # as HTCondor's self-checkpointing jobs use it
NO_EXIT_CODE = 97
TERMINATED = 128 + signal.SIGTERM

MEANINGS: dict[int, str] = {
    COMPLETED: "the experiment completed, or the job had nothing to do",
    FAILED: "the experiment failed; its result says how",
    SUPERVISOR_FAILED: "one of TMGG's own processes failed; the .err file has its traceback",
    NOT_STARTED: "a setup command failed, or the experiment's process could not be started",
    NO_RAY: "Ray is not installed, or too old",
    NO_HEAD_OR_FOLDER: "the head has no address for the other nodes, or a node no folder for Ray",
    CANNOT_WRITE: "the run's files could not be written",
    RAY_FAILED: "Ray did not start, or was lost",
    TOO_MANY_RESTARTS: "Slurm restarted the job more often than slurm_max_restarts allows",
    SUPERSEDED: "a later start of the job runs, or another run has the name; no result is written",
    NO_NODES: "a packed job has no node left",
    STOPPED: "the experiment saved its state and stopped, to go on later",
    NO_EXIT_CODE: "srun ended with 0, but the experiment left no exit code",
}

IN_SCRIPTS: dict[str, str] = {
    "exit_not_started": str(NOT_STARTED),
    "exit_no_folder": str(NO_HEAD_OR_FOLDER),
    "exit_cannot_write": str(CANNOT_WRITE),
    "exit_too_many_restarts": str(TOO_MANY_RESTARTS),
    "exit_stopped": str(STOPPED),
    "exit_no_exit_code": str(NO_EXIT_CODE),
}
"""The placeholders of the job script's templates."""


def shell_code(returncode: int) -> int:
    """The exit code as in a shell: 128 plus the signal's number for a process that was killed."""
    return returncode if returncode >= 0 else 128 - returncode
