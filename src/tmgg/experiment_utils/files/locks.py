"""One small lock that holds over hosts, and ends with its holder.

Who makes the file `<name>.<n>` with the highest n holds the lock: link(2) lets exactly one make
it, on NFS, too. A number is never given again, so a lock whose holder has gone is not removed but
passed over: of those who wait, one makes `<name>.<n+1>`. A holder has gone when it says so in its
file, when its process has ended as far as this host can tell, or when its lease is over (`leases`).

A holder that was stopped for longer than its lease may have lost the lock: `Held.check` says so.
What it does must be safe until then.
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
# Longer than a lease, and than a holder waits for a file system that does not answer.
LONGEST_WAIT_S = 900.0
_RELEASED = b"released\n"
# It holds no secret, and all who share the folder must see when it was renewed.
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
        """Failing costs others only the time of the lease."""
        with contextlib.suppress(OSError):
            self.lock.draft(_RELEASED).replace(self.lock.file(self.number))


@dataclass(frozen=True, kw_only=True, slots=True)
class FolderLock:
    """The lock of this name in a folder, which is there."""

    folder: Path
    name: str
    monotonic: Callable[[], float] = time.monotonic
    sleep: Callable[[float], None] = time.sleep

    @contextlib.contextmanager
    def held(self) -> Iterator[Held]:
        """Wait until it is free, and hold it.

        Raises SubmissionError when others hold it for too long, OSError when the folder does not
        answer.
        """
        held = self.acquire()
        try:
            with leases.held(self.file(held.number)):
                yield held
        finally:
            held.release()

    def acquire(self) -> Held:
        """As `held`; the caller keeps the lease and releases it."""
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
        """The highest number there is; 0 for none. Raises OSError."""
        return max(self._numbers(), default=0)

    def _numbers(self) -> list[int]:
        pattern = re.compile(re.escape(self.name) + r"\.([1-9][0-9]*)")
        names = os.listdir(self.folder)  # noqa: PTH208 - names only
        return [int(found[1]) for name in names if (found := pattern.fullmatch(name))]

    def _take(self, number: int) -> bool:
        """Whether this process was the first to make the file, and none after it was made."""
        mine = self.draft(_render_holder())
        try:
            os.link(mine, self.file(number))
        except FileExistsError:
            return False
        finally:
            mine.unlink(missing_ok=True)
        # Whoever looked long ago may have made one that was there before and is gone.
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
                with contextlib.suppress(OSError):  # somebody else's, in a folder of a team
                    self.file(earlier).unlink(missing_ok=True)


def _render_holder() -> bytes:
    return (json.dumps(new_intent().to_json()) + "\n").encode()


def _read(file: Path) -> bytes:
    """Empty where it says nothing that counts: then only its lease does."""
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
