"""Keeps the ends of a node's Ray logs in the submission's folder when Ray has failed."""

import logging
from pathlib import Path

from tmgg.experiment_utils.files.plain_files import end_of, open_plain
from tmgg.experiment_utils.files.trust import OWNER_ONLY_FOLDER

log = logging.getLogger(__name__)

_TAIL_BYTES = 64 * 1024
_NAMES = (
    "ray_start.log",
    "ray/session_latest/logs/gcs_server.out",
    "ray/session_latest/logs/gcs_server.err",
    "ray/session_latest/logs/raylet.out",
    "ray/session_latest/logs/raylet.err",
    "ray/session_latest/logs/dashboard_agent.log",
    "ray/session_latest/logs/runtime_env_agent.log",
)


def save(scratch: Path, folder: Path) -> None:
    """Copy the ends of the logs that exist. If that fails (full disk), only warnings are logged."""
    for name in _NAMES:
        source = scratch / name
        try:
            tail = _tail(source)
            folder.mkdir(mode=OWNER_ONLY_FOLDER, parents=True, exist_ok=True)
            (folder / source.name).write_bytes(tail)
        except FileNotFoundError:
            continue
        except OSError as error:
            log.warning("could not keep %s: %s", source, error)


def _tail(path: Path) -> bytes:
    with open_plain(path) as stream:
        return end_of(stream, most_bytes=_TAIL_BYTES)
