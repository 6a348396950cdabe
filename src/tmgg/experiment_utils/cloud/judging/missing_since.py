"""How long an expected file or job has been missing; this limits every wait for it.

The first process that notices writes the time to a file, so short-lived processes share one wait.
Each process also counts by itself, in case the file cannot be written or another machine's clock is
wrong.
"""

import logging
import socket
import time

from tmgg.experiment_utils.cloud.judging.memory import Remembered
from tmgg.experiment_utils.files.atomic_file import write_json
from tmgg.experiment_utils.files.looking import is_there
from tmgg.experiment_utils.run_folder.batch_index import make_run_folder
from tmgg.experiment_utils.run_folder.evidence import Evidence
from tmgg.experiment_utils.run_folder.evidence_token import expect_token
from tmgg.experiment_utils.run_folder.paths import LAYOUT_VERSION, SubmissionPaths

log = logging.getLogger(__name__)


def missing_since_s(remembered: Remembered, evidence: Evidence) -> float | None:
    """The longer of the times in the file and in this process; None if nothing is missing."""
    since = remembered.missing_since_s
    own = [] if since is None else [time.monotonic() - since]
    noted = [] if evidence.missing_since_s is None else [evidence.missing_since_s]
    return max([*own, *noted], default=None)


def note_missing(remembered: Remembered, paths: SubmissionPaths, *, missing: bool) -> None:
    """Note since when something is missing, or remove the note if nothing is."""
    try:
        if not missing:
            remembered.missing_since_s = None
            paths.missing.unlink(missing_ok=True)
        elif remembered.missing_since_s is None:
            remembered.missing_since_s = time.monotonic()
            make_run_folder(paths)
            if not is_there(paths.missing):
                write_json(paths.missing, _record(paths))
    except OSError as error:
        log.info("could not note what is missing: %s", error)


def _record(paths: SubmissionPaths) -> dict[str, object]:
    return {
        "version": LAYOUT_VERSION,
        "since": time.time(),
        "host": socket.gethostname(),
        "token": expect_token(paths),
    }
