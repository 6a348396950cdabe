"""Whether a launcher is still at work, across hosts, containers and PID namespaces.

A launcher renews the modification time of its intent every `RENEW_S`, in a thread, so a long sbatch
or a long composition does not lose the lease. Another process compares that time with the time of a
file that it makes beside the intent. Both times come from the file system, so the clocks of the
machines do not matter. A lease is over if it was not renewed for `LEASE_S`: that is several times
`RENEW_S`, and longer than an NFS client may show an old time.

A launcher's process id shows at once that it has ended, but only within its own PID namespace and
boot of the machine. A lease that cannot be read is not over.
"""

import contextlib
import logging
import os
import secrets
import threading
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from tmgg.experiment_utils.files.plain_files import open_plain

log = logging.getLogger(__name__)

LEASE_S = 120.0
RENEW_S = 15.0
# For so long the offset of a file system's clock counts; later it may have been set.
_CLOCK_VALID_S = 20.0


@contextlib.contextmanager
def held(intent: Path) -> Iterator[None]:
    """Renew the lease of this intent, which this process submits, within the `with` block."""
    _renewer.add(intent)
    try:
        yield
    finally:
        _renewer.drop(intent)


def is_held(intent: Path) -> bool:
    """Whether this process is within the block of `held` for this intent."""
    return _renewer.holds(intent)


def renew(intent: Path) -> None:
    """Renew the lease once. An error is ignored: the next renewal comes soon."""
    with contextlib.suppress(OSError):
        os.utime(intent)


def age_s(intent: Path) -> float | None:
    """How many seconds ago, by the file system's clock, the lease was renewed; None if unknown."""
    try:
        # open, not only stat: then an NFS client asks its server again.
        with open_plain(intent) as stream:
            renewed_at = os.fstat(stream.fileno()).st_mtime
        return max(0.0, _now(intent.parent) - renewed_at)
    except OSError as error:
        log.info("the lease %s cannot be read: %s", intent, error)
        return None


def is_over(intent: Path) -> bool:
    """Whether the lease was not renewed for `LEASE_S`; False if that is not known."""
    age = age_s(intent)
    return age is not None and age >= LEASE_S


_offsets: dict[int, tuple[float, float]] = {}
"""By device: this process's monotonic time and the file system's time at the same moment."""


def _now(folder: Path) -> float:
    """The time by the clock of the file system that holds `folder`. Raises OSError."""
    device = folder.stat().st_dev
    seen = _offsets.get(device)
    if seen is None or time.monotonic() - seen[0] > _CLOCK_VALID_S:
        seen = _offsets[device] = (time.monotonic(), _time_of_new_file(folder))
    return seen[1] + time.monotonic() - seen[0]


def _time_of_new_file(folder: Path) -> float:
    probe = folder / f".clock.{secrets.token_hex(4)}.tmp"
    descriptor = os.open(probe, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    try:
        os.write(descriptor, b"\n")
        os.fsync(descriptor)  # so that the time is the server's, not that of this client's cache
        return os.fstat(descriptor).st_mtime
    finally:
        os.close(descriptor)
        with contextlib.suppress(OSError):
            probe.unlink()


class _Renewer:
    """Renews all leases of this process in one thread, which starts with the first lease."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._held: Counter[Path] = Counter()
        self._wake = threading.Event()
        self._owner = 0

    def add(self, intent: Path) -> None:
        with self._lock:
            self._held[intent] += 1
            if self._owner != os.getpid():  # the first lease, or after a fork, which has no threads
                self._owner = os.getpid()
                threading.Thread(target=self._run, name="tmgg-leases", daemon=True).start()
        renew(intent)

    def drop(self, intent: Path) -> None:
        with self._lock:
            self._held[intent] -= 1
            if self._held[intent] <= 0:
                del self._held[intent]

    def holds(self, intent: Path) -> bool:
        with self._lock:
            # A fork inherits what its parent held, but has no thread that renews it.
            return self._owner == os.getpid() and intent in self._held

    def _run(self) -> None:
        while True:
            self._wake.wait(RENEW_S)
            with self._lock:
                for intent in self._held:
                    renew(intent)


_renewer = _Renewer()
