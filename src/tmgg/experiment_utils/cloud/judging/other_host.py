"""Jobs of one machine, whose records other machines may see, too: their ids end in `@<host>`."""

import contextlib
import socket

from tmgg.experiment_utils.cloud.backend import Whereabouts
from tmgg.experiment_utils.files.looking import is_there
from tmgg.experiment_utils.run_folder.ownership import read_job_id
from tmgg.experiment_utils.run_folder.paths import SubmissionPaths


def is_of_this_host(job_id: str) -> bool:
    return host_of(job_id) == socket.gethostname()


def host_of(job_id: str) -> str:
    """The machine's name; empty where a job is of no certain machine."""
    return job_id.partition("@")[2]


def seen_from_here(submission: SubmissionPaths, *, what: str) -> Whereabouts:
    """Where the submission's job is; `what` are the words before the machine's name.

    A job that has ended is at no place: every machine reads its end from its files.
    """
    with contextlib.suppress(OSError):
        host = host_of(read_job_id(submission) or "")
        if host and host != socket.gethostname() and not has_ended(submission):
            return Whereabouts(is_surely_here=False, elsewhere=where_it_is(host, what))
    return Whereabouts()


def has_ended(submission: SubmissionPaths) -> bool:
    """Whether its files tell of its end. Raises OSError."""
    return is_there(submission.ended) or is_there(submission.verdict)


def where_it_is(host: str, what: str) -> str:
    """In words, for a message or a note."""
    return f"{what} {host}, and this machine is {socket.gethostname()}. Log in to {host} for it"
