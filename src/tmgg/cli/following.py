"""A log as it grows, until its run has ended."""

import codecs
import sys
from pathlib import Path

from tmgg.console import exit_codes
from tmgg.console.printing import say
from tmgg.console.visible import visible_log
from tmgg.experiment_utils.cloud.runs_on_record import waiting
from tmgg.experiment_utils.cloud.runs_on_record.reattach import Reattached
from tmgg.experiment_utils.cloud.runs_on_record.waiting import Clock
from tmgg.experiment_utils.files.plain_files import open_plain

CHUNK_BYTES = 1 << 20


class LogReader:
    """Copies what is new in a file to standard output."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._position = 0
        self._decoder = codecs.getincrementaldecoder("utf-8")("backslashreplace")

    def start_at_last(self, lines: int | None) -> bool:
        """Skip all but the last `lines`; None skips nothing. False when there is no file yet."""
        try:
            with open_plain(self.path) as stream:
                if lines is not None:
                    stream.seek(0, 2)
                    self._position = _start_of_last(stream.tell(), lines, self.path)
        except FileNotFoundError:
            return False
        return True

    def copy(self) -> bool:
        """Copy what has come since the last call; False when there is no file."""
        try:
            with open_plain(self.path) as stream:
                if stream.seek(0, 2) < self._position:
                    self._position = 0  # begun anew: a site's Slurm may truncate at a restart
                stream.seek(self._position)
                while chunk := stream.read(CHUNK_BYTES):
                    self._write(chunk)
                    self._position += len(chunk)
        except FileNotFoundError:
            return False
        sys.stdout.flush()
        return True

    def _write(self, chunk: bytes) -> None:
        """As it is into a pipe or a file; on a terminal, what would act on it is shown instead."""
        if sys.stdout.isatty():
            sys.stdout.write(visible_log(self._decoder.decode(chunk)))
        else:
            sys.stdout.buffer.write(chunk)


class CopyingClock(Clock):
    """Copies the log whenever the wait for the run pauses."""

    def __init__(self, reader: LogReader) -> None:
        self._reader = reader

    def sleep(self, duration_s: float) -> None:
        self._reader.copy()
        super().sleep(duration_s)


def follow_run(reattached: Reattached, reader: LogReader) -> int:
    """Copy the log until the run has ended; the exit code tells how."""
    run_id = reattached.runs[0].run_id
    failed = False
    for state in waiting.wait(reattached, [run_id], clock=CopyingClock(reader)):
        reader.copy()
        failed = state.status == "failed"
        why = f": {state.failure.kind}; tmgg-jobs explain {run_id}" if state.failure else ""
        say(f"run {run_id} {state.status}{why}")
    return exit_codes.FAILED if failed else exit_codes.OK


def _start_of_last(size: int, lines: int, path: Path) -> int:
    """Where the last `lines` lines begin, reading from the end."""
    if lines == 0:
        return size
    position, found = size, 0
    with open_plain(path) as stream:
        while position > 0:
            start = max(0, position - CHUNK_BYTES)
            stream.seek(start)
            chunk = stream.read(position - start)
            for index in range(len(chunk) - 1, -1, -1):
                # The newline that ends the file ends its last line; it begins none.
                if chunk[index] == 0x0A and start + index != size - 1:
                    found += 1
                    if found == lines:
                        return start + index + 1
            position = start
    return 0
