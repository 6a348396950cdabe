"""Exceptions of jobs whose text can be printed: Hydra prints their traceback at a launch's end."""

import contextlib
from typing import Any

from tmgg.console.visible import visible
from tmgg.experiment_utils.error_text import text_of

_MOST_CAUSES = 20


def harmless(error: Any) -> Any:
    """The same exception, where its text and notes hold nothing that acts on a terminal.

    Else its strings are written out in place; where its text stays as it was (a class may make it
    from anything), a RuntimeError that names the class and has the text stands for it.
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
    """Python prints these, too; the chain may be a circle."""
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
