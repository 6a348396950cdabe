"""Makes jobs' exceptions safe to print: Hydra prints their traceback at the end of a launch."""

import contextlib
from typing import Any

from tmgg.console.visible import visible
from tmgg.experiment_utils.error_text import text_of

_MOST_CAUSES = 20


def harmless(error: Any) -> Any:
    """The same exception, with control characters in its strings and notes written as text.

    If its text still has control characters (a class may make its text from anything), a
    RuntimeError with the class name and the safe text is returned instead.
    """
    if not isinstance(error, Exception):
        return error
    _mend_causes(error)
    if _is_shown_raw(error):
        error.args = tuple(visible(each) if isinstance(each, str) else each for each in error.args)
    if not _is_shown_raw(error):
        return error
    stands_for_it = RuntimeError(visible(f"{type(error).__name__}: {text_of(error)}"))
    for note in getattr(error, "__notes__", ()):
        stands_for_it.add_note(str(note))
    return stands_for_it


def _mend_causes(error: BaseException) -> None:
    """Mend the chain of causes, which Python also prints. It may be a circle."""
    for _ in range(_MOST_CAUSES):
        _mend_notes(error)
        if error.__cause__ is not None:
            error.__cause__ = come_from = _without_causes(error.__cause__)
        elif error.__context__ is not None:
            error.__context__ = come_from = _without_causes(error.__context__)
        else:
            return
        error = come_from


def _without_causes(error: BaseException) -> BaseException:
    if not _is_shown_raw(error):
        return error
    return RuntimeError(visible(f"{type(error).__name__}: {text_of(error)}"))


def _mend_notes(error: BaseException) -> None:
    with contextlib.suppress(AttributeError, TypeError):
        error.__notes__ = [visible(str(note)) for note in error.__notes__]


def _is_shown_raw(error: BaseException) -> bool:
    text = text_of(error)
    return visible(text) != text
