"""Commands in a terminal of so many columns: what stands on the screen when they have ended."""

import fcntl
import os
import pty
import re
import struct
import termios
from collections.abc import Mapping, Sequence
from pathlib import Path

COLUMNS = 80
ROWS = 50
_CONTROL = re.compile(r"\x1b\[[?\d;]*[A-Za-z]|\x1b[()][A-Z0-9]|[\r\n]")
_UP = re.compile(r"\x1b\[(\d*)A")


def run_in_terminal(
    argv: Sequence[str], *, folder: Path, environment: Mapping[str, str], columns: int = COLUMNS
) -> tuple[int, str]:
    """The exit code, and what the command wrote, with all that acts on the terminal."""
    process, terminal = pty.fork()
    if process == 0:
        os.chdir(folder)
        os.execvpe(argv[0], list(argv), {**environment})
    fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", ROWS, columns, 0, 0))
    written = _read_all(terminal)
    os.close(terminal)
    _, status = os.waitpid(process, 0)
    return os.waitstatus_to_exitcode(status), written.decode()


def screen(written: str, *, columns: int = COLUMNS) -> list[str]:
    """The lines that stand there in the end, as wide as the terminal at most. Pure.

    It knows what Rich's live view uses: up, and erase a line.
    """
    lines, row = [""], 0
    at = 0
    for found in [*_CONTROL.finditer(written), None]:
        end = len(written) if found is None else found.start()
        lines[row] += written[at:end]
        if found is None:
            break
        at = found.end()
        if found[0] == "\n":
            row += 1
            lines += [""] if row == len(lines) else []
        elif found[0].endswith("2K"):
            lines[row] = ""
        elif up := _UP.fullmatch(found[0]):
            row -= int(up[1] or 1)
    return [piece for line in lines for piece in _wrapped(line.rstrip(), columns)]


def _wrapped(line: str, columns: int) -> list[str]:
    return [line[at : at + columns] for at in range(0, len(line), columns)] or [""]


def _read_all(terminal: int) -> bytes:
    parts = []
    while True:
        try:
            part = os.read(terminal, 1 << 16)
        except OSError:  # the last process that had it has ended
            break
        if not part:
            break
        parts.append(part)
    return b"".join(parts)
