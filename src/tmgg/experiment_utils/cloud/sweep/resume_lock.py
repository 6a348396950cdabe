"""The lock that lets one process at a time look up and record the runs of a resumed sweep.

Without it, two processes could both find that a config has no run, and both run it.
"""

import contextlib
import threading
from collections.abc import Iterator
from pathlib import Path

from tmgg.experiment_utils.cloud.judging.hiccup_wait import wait_out
from tmgg.experiment_utils.cloud.runs_on_record.waiting import Clock
from tmgg.experiment_utils.files.locks import FolderLock, Held
from tmgg.experiment_utils.run_folder.output_folder import prepare_output_dir
from tmgg.experiment_utils.run_folder.paths import SweepPaths
from tmgg.experiment_utils.run_folder.readable import is_missing, missing_error, reading
from tmgg.experiment_utils.run_folder.removed_folder import is_surely_removed

_NAME = ".resume"


class ResumeLock(threading.local):
    """The lock of one runner. A thread that holds it may enter it again."""

    _held: Held | None = None
    _stack: contextlib.ExitStack

    @contextlib.contextmanager
    def held(self, output_dir: Path, clock: Clock) -> Iterator[None]:
        """Hold the lock within the block, or until `release`.

        Raises as `FolderLock.held`, and UnreadableError.
        """
        if self._held is not None:
            yield
            return
        with contextlib.ExitStack() as stack:
            wait_out(lambda: self._enter(stack, output_dir, clock), output_dir, clock)
            try:
                yield
            finally:
                self.release()

    def _enter(self, stack: contextlib.ExitStack, output_dir: Path, clock: Clock) -> None:
        with reading(output_dir):
            if is_missing(output_dir) and not is_surely_removed(output_dir, clock.sleep):
                raise missing_error(output_dir)
            prepare_output_dir(output_dir, [SweepPaths.FOLDER_NAME])
            lock = FolderLock(
                folder=output_dir / SweepPaths.FOLDER_NAME,
                name=_NAME,
                monotonic=clock.monotonic,
                sleep=clock.sleep,
            )
            self._held = stack.enter_context(lock.held())
            self._stack = stack

    def check(self, *, must_be_held: bool) -> None:
        """Raise LockLostError if this runner held the lock and another process has it now.

        With `must_be_held`, raise AssertionError if this runner has not taken the lock: then the
        program that called has a fault.
        """
        if self._held is not None:
            self._held.check()
        elif must_be_held:
            raise AssertionError("a resumed sweep is looked up and recorded under one lock")

    def release(self) -> None:
        """Release the lock. Does nothing if it is not held."""
        if self._held is not None:
            self._held = None
            self._stack.close()
