"""The end of a log, and what is added to it, as text that a screen can show."""

import codecs
import re
from pathlib import Path

from tmgg.console.visible import visible
from tmgg.experiment_utils.files.plain_files import open_plain

START_BYTES = 200_000
"""How much of a long log is shown at first."""
MOST_BYTES = 1 << 20
"""How much is read at once; what a log grows faster than that is passed over."""
_COLOUR = re.compile(r"\x1b\[[0-9;]*m")


class LogTail:
    """Reads on where it stopped. Raises OSError when the file cannot be read now."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._position: int | None = None
        self._decoder = codecs.getincrementaldecoder("utf-8")("backslashreplace")

    def read_new(self) -> str:
        """What was added; empty where there is nothing, and no file yet."""
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
            return 0  # begun anew
        return max(self._position, size - MOST_BYTES)


def readable(text: str) -> str:
    """Without colours; of a progress bar the last state; what acts on a terminal written out."""
    lines = _COLOUR.sub("", text).replace("\r\n", "\n").split("\n")
    return visible("\n".join(line.rstrip("\r").rpartition("\r")[2] for line in lines))
