"""Follows a log as it grows, until its run has ended."""

import codecs
import sys
from pathlib import Path
from typing import BinaryIO

from tmgg.console import exit_codes
from tmgg.console.printing import forgive_stdout, say
from tmgg.console.streams import answering, finish_answers
from tmgg.console.visible import visible_log
from tmgg.experiment_utils.cloud.runs_on_record import waiting
from tmgg.experiment_utils.cloud.runs_on_record.reattach import Reattached
from tmgg.experiment_utils.cloud.runs_on_record.waiting import Clock
from tmgg.experiment_utils.files.plain_files import open_plain
from tmgg.experiment_utils.run_folder.task import RESULT_PREFIX

CHUNK_BYTES = 1 << 20


_FOR_PROGRAMS = RESULT_PREFIX.encode()


class ForPeople:
    """Removes from a log the lines that the job wrote for programs: whole results as JSON."""

    def __init__(self) -> None:
        self._held = b""
        """Bytes held back: the start of a possible line for programs, and an empty line before."""
        self._is_inside = False
        """Whether the current line has begun and is for people."""

    def take(self, chunk: bytes) -> bytes:
        """Return what is to be shown of the bytes held back before and of this chunk."""
        lines = (self._held + chunk).splitlines(keepends=True)
        self._held = b""
        shown: list[bytes] = []
        for line in lines:
            if self._is_inside:
                shown.append(line)
                self._is_inside = not line.endswith(b"\n")
            elif line.startswith(_FOR_PROGRAMS) or _FOR_PROGRAMS.startswith(line):
                self._held = b"" if line.endswith(b"\n") else self._held + line
            elif line == b"\n":
                shown.append(self._held)
                self._held = line
            else:
                shown += [self._held, line]
                self._held = b""
                self._is_inside = not line.endswith(b"\n")
        return b"".join(shown)

    def rest(self) -> bytes:
        """At the end of the file: return the bytes held back, unless they are for programs."""
        held = self._held
        if held.lstrip(b"\n").startswith(_FOR_PROGRAMS):
            return b""
        self._held = b""
        self._is_inside = bool(held) and not held.endswith(b"\n")
        return held


class LogReader:
    """Copies what is new in a file to standard output."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._for_people = ForPeople()
        self._position = 0
        self._decoder = codecs.getincrementaldecoder("utf-8")("backslashreplace")

    def start_at_last(self, lines: int | None) -> bool:
        """Skip all but the last `lines`; None skips nothing. False when there is no file yet."""
        try:
            with open_plain(self.path) as stream:
                if lines is not None:
                    self._position = _start_of_last_shown(stream, lines, self.path)
        except FileNotFoundError:
            return False
        return True

    def copy(self) -> bool:
        """Copy what has come since the last call; False when there is no file."""
        try:
            with open_plain(self.path) as stream:
                if stream.seek(0, 2) < self._position:
                    self._position = 0  # some sites' Slurm truncates the file at a restart
                stream.seek(self._position)
                while chunk := stream.read(CHUNK_BYTES):
                    self._write(self._for_people.take(chunk))
                    self._position += len(chunk)
                self._write(self._for_people.rest())
        except FileNotFoundError:
            return False
        finish_answers()
        return True

    def _write(self, chunk: bytes) -> None:
        """Write it unchanged to a pipe or a file; on a terminal, show control characters."""
        forgive_stdout()
        with answering():
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
    """Copy the log until the run has ended. Returns FAILED or OK of `exit_codes`."""
    paths = reattached.runs[0].paths
    run_id, failed = paths.run_id, False
    for state in waiting.wait(reattached, [paths], clock=CopyingClock(reader)):
        reader.copy()
        failed = state.status == "failed"
        why = f": {state.failure.kind}; tmgg-jobs explain {run_id}" if state.failure else ""
        say(f"run {run_id} {state.status}{why}")
    return exit_codes.FAILED if failed else exit_codes.OK


def _start_of_last_shown(stream: BinaryIO, lines: int, path: Path) -> int:
    """The position from which at least `lines` lines are shown."""
    size = stream.seek(0, 2)
    asked = lines
    while True:
        start = _start_of_last(size, asked, path)
        stream.seek(start)
        people = ForPeople()
        shown = people.take(stream.read(size - start)) + people.rest()
        missing = lines - len(shown.splitlines())
        if missing <= 0 or start == 0:
            return start
        asked += missing


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
                # No line begins after the newline at the end of the file.
                if chunk[index] == 0x0A and start + index != size - 1:
                    found += 1
                    if found == lines:
                        return start + index + 1
            position = start
    return 0
