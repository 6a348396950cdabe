"""Reads the token of a job (`ray_token`), with which its processes on all nodes prove themselves.

The job's first node makes the run's folder when the job begins. If another node has looked for the
folder before that, its client of a network file system may still report the folder as missing.
"""

import time
from collections.abc import Callable

from tmgg.errors import TmggError
from tmgg.experiment_utils.files.hiccups import keep_trying, may_pass
from tmgg.experiment_utils.files.looking import look_anew_on_the_way
from tmgg.experiment_utils.run_folder.paths import JobFiles

PATIENCE_S = 10.0
"""How long the token may be missing on this node."""


class TokenUnreadableError(TmggError):
    """This node cannot read the job's token; the message says why."""


def read_job_token(paths: JobFiles, *, sleep: Callable[[float], None] = time.sleep) -> bytes:
    """The job's token. Raises TokenUnreadableError when it cannot be read within `PATIENCE_S`."""

    def read() -> bytes:
        look_anew_on_the_way(paths.folder)
        return paths.ray_token.read_bytes().strip()

    def may_help(error: Exception, waited_s: float) -> bool:
        return may_pass(error) and waited_s < PATIENCE_S

    try:
        return keep_trying(read, may_help=may_help, sleep=sleep)
    except OSError as error:
        raise TokenUnreadableError(
            f"cannot read {paths.ray_token}: {error.strerror}. Look whether this node sees the "
            "output folder; it must be on a file system that all nodes of the job share."
        ) from error
