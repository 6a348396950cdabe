"""The end of a log, and what is added to it, as text that a screen can show."""

import codecs
import re
from pathlib import Path

from tmgg.console.visible import visible
from tmgg.experiment_utils.files.plain_files import open_plain

START_BYTES = 200_000
"""How much of a long log is shown at first."""
MOST_BYTES = 1 << 20
"""The most that is read at once. If a log grows by more, its older part is skipped."""
_COLOUR = re.compile(r"\x1b\[[0-9;]*m")


class LogTail:
    """Each read continues where the last one stopped."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._position: int | None = None
        self._decoder = codecs.getincrementaldecoder("utf-8")("backslashreplace")

    def read_new(self) -> str:
        """The text added since the last read; empty if there is none, or no file yet.

        Raises OSError if the file cannot be read now.
        """
        try:
            with open_plain(self.path) as stream:
                size = stream.seek(0, 2)
                start = self._start(size)
                stream.seek(start)
                chunk = stream.read(MOST_BYTES)
        except FileNotFoundError:
            return ""
        self._position = start + len(chunk)
        return readable(self._decoder.decode(chunk))

    def _start(self, size: int) -> int:
        if self._position is None:
            return max(0, size - START_BYTES)
        if size < self._position:
            return 0  # the file was truncated
        return max(self._position, size - MOST_BYTES)


def readable(text: str) -> str:
    """`text` without colours, with the last state of a progress bar, and `visible`."""
    lines = _COLOUR.sub("", text).replace("\r\n", "\n").split("\n")
    return visible("\n".join(line.rstrip("\r").rpartition("\r")[2] for line in lines))
