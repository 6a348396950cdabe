"""Makes foreign text safe to print: characters that would act on a terminal are shown as text.

Exceptions, logs, overrides, host names and Slurm's messages may contain any text. An escape
sequence in them could change colours, the cursor or the title of the reader's terminal, or paste.
"""

import logging
import re

# C0 without tab and newline, DEL, C1; marks that change the direction of text; line and paragraph
# separators; the byte order mark; lone surrogates, which stand for bytes that are not UTF-8.
_ACTING = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff\ud800-\udfff]"
)
# The same for logs, without the carriage return and backspace of progress bars.
_ACTING_IN_LOG = re.compile(
    "[\x00-\x07\x0b-\x0c\x0e-\x1f\x7f-\x9f\u061c\u200e-\u200f\u2028-\u202e\u2066-\u2069]"
)
_COLOUR = re.compile(r"\x1b\[[0-9;]*m")


def visible(text: str) -> str:
    """`text` with control characters written as text, such as `\\x1b`; newlines and tabs stay.

    A Windows line end (`\\r\\n`) becomes one newline.
    """
    return _ACTING.sub(_written_out, text.replace("\r\n", "\n"))


def visible_line(text: str) -> str:
    """Like `visible`, for a name or value inside a line: also newlines and tabs become text."""
    return visible(text.replace("\r\n", "\\r\\n")).replace("\n", "\\n").replace("\t", "\\t")


def visible_log(text: str) -> str:
    """Like `visible`, for the output of a program: progress bars and colours stay."""
    parts = _COLOUR.split(text)
    colours = [*_COLOUR.findall(text), ""]
    shown = (_ACTING_IN_LOG.sub(_written_out, part) for part in parts)
    return "".join(part + colour for part, colour in zip(shown, colours, strict=True))


class VisibleMessages(logging.Filter):
    """Makes TMGG's log messages safe, since they quote foreign text. A formatter's colours stay."""

    def filter(self, record: logging.LogRecord) -> bool:
        if record.name.partition(".")[0] == "tmgg":
            record.msg, record.args = visible(record.getMessage()), ()
        return True


def make_logs_visible() -> None:
    """Add `VisibleMessages` to the root handlers of this process."""
    for handler in logging.getLogger().handlers:
        if not any(isinstance(each, VisibleMessages) for each in handler.filters):
            handler.addFilter(VisibleMessages())


def _written_out(found: re.Match[str]) -> str:
    code = ord(found[0])
    if 0xDC80 <= code <= 0xDCFF:
        code -= 0xDC00  # the byte that the surrogate stands for
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}"
