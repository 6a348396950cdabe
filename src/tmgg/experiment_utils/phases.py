"""The `phases` file of a submission: when the job got how far, one line for each step.

Standard library only: also written by processes that start before anything else is imported.
"""

import logging
import socket
import time

from tmgg.experiment_utils.paths import SubmissionPaths

log = logging.getLogger(__name__)


def write_phase(paths: SubmissionPaths, name: str) -> None:
    """Append one mark; a phase is a convenience, so a full disk does not end the run."""
    line = f"{name} {time.time():.6f} {socket.gethostname()}\n"
    try:
        with paths.phases.open("a") as stream:
            stream.write(line)
    except OSError as error:
        log.warning("could not record phase %s: %s", name, error)
