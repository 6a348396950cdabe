"""How long something that should be there has been missing, which bounds every wait for it.

The first who notices says so in a file, so that short-lived processes add up to one wait; each
process also counts by itself, for when the file cannot be written or another machine's clock errs.
"""

import logging
import socket
import time

from tmgg.experiment_utils.files.atomic_file import write_json
from tmgg.experiment_utils.files.looking import is_there
from tmgg.experiment_utils.run_folder.batch_index import make_run_folder
from tmgg.experiment_utils.run_folder.evidence import Evidence
from tmgg.experiment_utils.run_folder.evidence_token import expect_token
from tmgg.experiment_utils.run_folder.paths import LAYOUT_VERSION, SubmissionPaths

log = logging.getLogger(__name__)


class Patience:
    """Of one process."""

    def __init__(self) -> None:
        self._since: dict[SubmissionPaths, float] = {}

    def missing_since_s(self, paths: SubmissionPaths, evidence: Evidence) -> float | None:
        """The longer of what the file says and what this process saw; None when nothing misses."""
        since = self._since.get(paths)
        own = [] if since is None else [time.monotonic() - since]
        noted = [] if evidence.missing_since_s is None else [evidence.missing_since_s]
        return max([*own, *noted], default=None)

    def note(self, paths: SubmissionPaths, *, missing: bool) -> None:
        """Remember since when, or forget it."""
        try:
            if not missing:
                self._since.pop(paths, None)
                paths.missing.unlink(missing_ok=True)
            elif paths not in self._since:
                self._since[paths] = time.monotonic()
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
