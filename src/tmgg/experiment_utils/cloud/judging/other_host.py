"""Jobs of one machine whose records other machines may also see: their ids end in `@<host>`."""

import contextlib
import socket

from tmgg.experiment_utils.cloud.backend import Whereabouts
from tmgg.experiment_utils.files.looking import is_there
from tmgg.experiment_utils.run_folder.ownership import read_job_id
from tmgg.experiment_utils.run_folder.paths import SubmissionPaths


def is_of_this_host(job_id: str) -> bool:
    return host_of(job_id) == socket.gethostname()


def host_of(job_id: str) -> str:
    """The name of the job's machine; empty if the id names none."""
    return job_id.partition("@")[2]


def seen_from_here(submission: SubmissionPaths, *, what: str) -> Whereabouts:
    """Whether the submission's job is on this machine.

    `what` is the text before the machine's name in the message. A job that has ended counts as
    being here, because every machine can read its end from its files.
    """
    with contextlib.suppress(OSError):
        host = host_of(read_job_id(submission) or "")
        if host and host != socket.gethostname() and not has_ended(submission):
            return Whereabouts(is_surely_here=False, elsewhere=where_it_is(host, what))
    return Whereabouts()


def has_ended(submission: SubmissionPaths) -> bool:
    """Whether its files show that it has ended. Raises OSError."""
    return is_there(submission.ended) or is_there(submission.verdict)


def where_it_is(host: str, what: str) -> str:
    """A sentence for a message or a note."""
    return f"{what} {host}, and this machine is {socket.gethostname()}. Log in to {host} for it"
