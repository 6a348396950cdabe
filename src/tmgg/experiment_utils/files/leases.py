"""Whether a launcher is still at work, across hosts, containers and PID namespaces.

A launcher renews the time of its intent every `RENEW_S`, in a thread, so a long sbatch or a long
composition does not lose the lease. Another process compares that time with the time of a file that
it makes beside it. Both are the file system's own, so the clocks of the machines do not matter.
What has not been renewed for `LEASE_S` is over: several times the renewal, and more than an NFS
client may show an old time.

A process id proves only that a process of this very PID namespace, of this boot, has ended; that
ends a lease at once. A lease that cannot be read is never over.
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
# The offset of a file system's clock is looked at again: clocks are set.
_CLOCK_VALID_S = 20.0


@contextlib.contextmanager
def held(intent: Path) -> Iterator[None]:
    """Renew the lease of what this process launches."""
    _renewer.add(intent)
    try:
        yield
    finally:
        _renewer.drop(intent)


def renew(intent: Path) -> None:
    """Show that its launcher lives. Failing costs nothing: it is renewed again soon."""
    with contextlib.suppress(OSError):
        os.utime(intent)


def age_s(intent: Path) -> float | None:
    """How long ago the lease was renewed, by the file system's clock; None when nobody can tell."""
    try:
        # Opened, not only looked at: an NFS client asks the server again.
        with open_plain(intent) as stream:
            renewed_at = os.fstat(stream.fileno()).st_mtime
        return max(0.0, _now(intent.parent) - renewed_at)
    except OSError as error:
        log.info("the lease %s cannot be read: %s", intent, error)
        return None


def is_over(intent: Path) -> bool:
    """Whether nobody renews the lease any more; False when that is not known."""
    age = age_s(intent)
    return age is not None and age >= LEASE_S


_offsets: dict[int, tuple[float, float]] = {}
"""By device: when it was looked at, and the time there at that moment (both on their own clock)."""


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
        os.fsync(descriptor)  # a time of its server, not of this client's cache
        return os.fstat(descriptor).st_mtime
    finally:
        os.close(descriptor)
        with contextlib.suppress(OSError):
            probe.unlink()


class _Renewer:
    """One thread for all leases of this process, while it has any."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._held: Counter[Path] = Counter()
        self._wake = threading.Event()
        self._owner = 0

    def add(self, intent: Path) -> None:
        with self._lock:
            self._held[intent] += 1
            if self._owner != os.getpid():  # the first lease, or a fork: threads stay behind
                self._owner = os.getpid()
                threading.Thread(target=self._run, name="tmgg-leases", daemon=True).start()
        renew(intent)

    def drop(self, intent: Path) -> None:
        with self._lock:
            self._held[intent] -= 1
            if self._held[intent] <= 0:
                del self._held[intent]

    def _run(self) -> None:
        while True:
            self._wake.wait(RENEW_S)
            with self._lock:
                for intent in self._held:
                    renew(intent)


_renewer = _Renewer()
