"""A lock that works across hosts, and becomes free when its holder ends.

The process that made the file `<name>.<n>` with the highest n holds the lock. link(2) lets exactly
one process make it, on NFS, too. Numbers are never used again: if the holder is gone, its file is
not removed first, but one of the waiting processes makes `<name>.<n+1>`. A holder is gone if its
file says that it released the lock, if its process has ended as far as this host can see, or if its
lease is over (`leases`).

A holder that was stopped for longer than its lease may have lost the lock; `Held.check` raises an
error then. All that the holder does before this check must be safe without the lock.
"""

import contextlib
import json
import logging
import os
import re
import secrets
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from tmgg.errors import ForeignFileError, RecordError, SubmissionError
from tmgg.experiment_utils.files import leases
from tmgg.experiment_utils.files.atomic_file import write_atomic
from tmgg.experiment_utils.files.trust import parse_json, read_trusted
from tmgg.experiment_utils.run_folder.records import parse_record
from tmgg.experiment_utils.run_folder.registry import Intent, new_intent

log = logging.getLogger(__name__)

LOOK_AGAIN_S = 0.2
SAY_AFTER_S = 2.0
# Longer than a lease, and longer than a holder waits for a file system that does not answer.
LONGEST_WAIT_S = 900.0
_RELEASED = b"released\n"
# It holds no secret, and all users of the folder must see when it was renewed.
_READABLE = 0o644


class LockLostError(SubmissionError):
    """This process was stopped for so long that another one took its lock."""


@dataclass(frozen=True, slots=True)
class Held:
    """A lock that this process holds, until it is lost."""

    lock: "FolderLock"
    number: int

    def check(self) -> None:
        """Raises LockLostError when another process holds the lock now."""
        if self.lock.last_number() != self.number:
            raise LockLostError(
                f"this process was stopped for more than {leases.LEASE_S:g} s while it held the "
                f"lock {self.lock.file(self.number)}, and another process took the lock. Nothing "
                "was submitted: start again."
            )

    def release(self) -> None:
        """Release the lock. If this fails, others wait until the lease is over."""
        with contextlib.suppress(OSError):
            self.lock.draft(_RELEASED).replace(self.lock.file(self.number))


@dataclass(frozen=True, kw_only=True, slots=True)
class FolderLock:
    """The lock of this name in a folder, which must exist."""

    folder: Path
    name: str
    monotonic: Callable[[], float] = time.monotonic
    sleep: Callable[[float], None] = time.sleep

    @contextlib.contextmanager
    def held(self) -> Iterator[Held]:
        """Wait until the lock is free, and hold it.

        Raises SubmissionError when others hold it for too long, OSError when the file system does
        not answer.
        """
        held = self.acquire()
        try:
            with leases.held(self.file(held.number)):
                yield held
        finally:
            held.release()

    def acquire(self) -> Held:
        """As `held`, but the caller must renew the lease and release the lock."""
        began, said = self.monotonic(), False
        while True:
            number = self.last_number()
            if number == 0 or self._is_free(number):
                if self._take(number + 1):
                    self._remove_before(number + 1)
                    return Held(self, number + 1)
                continue
            waited_s = self.monotonic() - began
            if waited_s >= LONGEST_WAIT_S:
                raise SubmissionError(
                    f"{self._holder(number)} has held the lock {self.file(number)} for more than "
                    f"{LONGEST_WAIT_S:g} s. Nothing was submitted: end that process if it hangs, "
                    "and start again."
                )
            if waited_s >= SAY_AFTER_S and not said:
                said = True
                log.warning(
                    "waiting for %s, which has the lock %s", self._holder(number), self.file(number)
                )
            self.sleep(LOOK_AGAIN_S)

    def file(self, number: int) -> Path:
        return self.folder / f"{self.name}.{number}"

    def draft(self, content: bytes) -> Path:
        """A file beside those of the lock, to be renamed or linked."""
        path = self.folder / f"{self.name}.{secrets.token_hex(4)}.tmp"
        write_atomic(path, content)
        path.chmod(_READABLE)  # whatever the umask
        return path

    def last_number(self) -> int:
        """The highest number that exists; 0 if there is none. Raises OSError."""
        return max(self._numbers(), default=0)

    def _numbers(self) -> list[int]:
        pattern = re.compile(re.escape(self.name) + r"\.([1-9][0-9]*)")
        names = os.listdir(self.folder)  # noqa: PTH208 - names only
        return [int(found[1]) for name in names if (found := pattern.fullmatch(name))]

    def _take(self, number: int) -> bool:
        """Whether this process made the file, and no file with a higher number exists."""
        mine = self.draft(_render_holder())
        try:
            os.link(mine, self.file(number))
        except FileExistsError:
            return False
        finally:
            mine.unlink(missing_ok=True)
        # If this process listed the numbers long ago, this number may have been used and removed.
        if self.last_number() == number:
            return True
        self.file(number).unlink(missing_ok=True)
        return False

    def _is_free(self, number: int) -> bool:
        file = self.file(number)
        content = _read(file)
        if content == _RELEASED:
            return True
        holder = _parse_holder(content)
        return (holder is not None and holder.submitter_has_ended) or leases.is_over(file)

    def _holder(self, number: int) -> str:
        holder = _parse_holder(_read(self.file(number)))
        return f"another process ({holder.pid} on {holder.host})" if holder else "another process"

    def _remove_before(self, number: int) -> None:
        for earlier in self._numbers():
            if earlier < number:
                with contextlib.suppress(OSError):  # another user's file, in a folder of a team
                    self.file(earlier).unlink(missing_ok=True)


def _render_holder() -> bytes:
    return (json.dumps(new_intent().to_json()) + "\n").encode()


def _read(file: Path) -> bytes:
    """The content; empty if it cannot be read or trusted, so that only its lease counts."""
    try:
        return read_trusted(file)
    except (ForeignFileError, OSError):
        return b""


def _parse_holder(content: bytes) -> Intent | None:
    if not content or content == _RELEASED:
        return None
    try:
        return parse_record(Intent, parse_json(content, what="lock"), what="lock", newest_version=1)
    except RecordError:
        return None
