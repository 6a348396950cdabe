"""The text of any exception; classes of other code may have a `__str__` that raises."""

MOST_LINES = 24
_FIRST_LINES = 16
_MOST_CHARACTERS = 2000
"""The most characters of a line."""


def bounded(text: str, *, most_lines: int = MOST_LINES) -> str:
    """The first and last lines of a long text, for display and for records.

    A library may put a whole array into its message.
    """
    lines = text.splitlines()
    if len(lines) > most_lines:
        last = most_lines - _FIRST_LINES
        left_out = f"[{len(lines) - most_lines} lines left out]"
        lines = [*lines[:_FIRST_LINES], left_out, *lines[-last:]]
    elif all(len(line) <= _MOST_CHARACTERS for line in lines):
        return text
    return "\n".join(map(_bounded_line, lines))


def _bounded_line(line: str) -> str:
    more = len(line) - _MOST_CHARACTERS
    return f"{line[:_MOST_CHARACTERS]} [{more} characters left out]" if more > 0 else line


def text_of(error: BaseException) -> str:
    """`str(error)`, or a text that says why this fails."""
    try:
        return str(error)
    except Exception as problem:  # any class may be raised
        return f"(its text cannot be had: {type(problem).__name__}{_reason(problem)})"


def text_of_any(error: BaseException) -> str:
    """As `text_of`, also for exceptions whose `__str__` raises SystemExit or the like."""
    try:
        return text_of(error)
    except BaseException:  # an unpickled error of a task may be of any class
        return "(its text cannot be had)"


def _reason(problem: Exception) -> str:
    try:
        return f": {problem}"
    except Exception:  # an error whose text raises an error of the same class
        return ""
