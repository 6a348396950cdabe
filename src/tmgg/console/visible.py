"""Makes foreign text safe to print: characters that would act on a terminal are shown as text.

Exceptions, logs, overrides, host names and Slurm's words come from anywhere. An escape sequence in
them could recolour, move, retitle or paste into the reader's terminal.
"""

import logging
import re

# C0 without tab and newline, DEL, C1; marks that change the direction of text; line and paragraph
# separators; the byte order mark; halves of surrogates, which stand for bytes of no encoding.
_ACTING = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff\ud800-\udfff]"
)
# As above for bytes of a log; a progress bar's carriage return and backspace stay.
_ACTING_IN_LOG = re.compile(
    "[\x00-\x07\x0b-\x0c\x0e-\x1f\x7f-\x9f\u061c\u200e-\u200f\u2028-\u202e\u2066-\u2069]"
)
_COLOUR = re.compile(r"\x1b\[[0-9;]*m")


def visible(text: str) -> str:
    """`text` with what acts on a terminal written out, as in `\\x1b`; newlines and tabs stay.

    The two characters of a line's end in Windows (`\\r\\n`) are one newline.
    """
    return _ACTING.sub(_written_out, text.replace("\r\n", "\n"))


def visible_line(text: str) -> str:
    """As `visible`, for a name or value inside a line: newlines and tabs are written out, too."""
    return visible(text.replace("\r\n", "\\r\\n")).replace("\n", "\\n").replace("\t", "\\t")


def visible_log(text: str) -> str:
    """As `visible`, for a program's own output: progress bars and colours stay."""
    parts = _COLOUR.split(text)
    colours = [*_COLOUR.findall(text), ""]
    shown = (_ACTING_IN_LOG.sub(_written_out, part) for part in parts)
    return "".join(part + colour for part, colour in zip(shown, colours, strict=True))


class VisibleMessages(logging.Filter):
    """For log handlers: messages of ours quote others. The colours of a formatter stay."""

    def filter(self, record: logging.LogRecord) -> bool:
        if record.name.partition(".")[0] == "tmgg":
            record.msg, record.args = visible(record.getMessage()), ()
        return True


def make_logs_visible() -> None:
    """From now on, in all that this process logs through its root handlers."""
    for handler in logging.getLogger().handlers:
        if not any(isinstance(each, VisibleMessages) for each in handler.filters):
            handler.addFilter(VisibleMessages())


def _written_out(found: re.Match[str]) -> str:
    code = ord(found[0])
    if 0xDC80 <= code <= 0xDCFF:
        code -= 0xDC00  # the byte it stands for
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}"
