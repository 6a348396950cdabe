"""The text of any exception; those of others may have a `__str__` that raises."""


def text_of(error: BaseException) -> str:
    """`str(error)`, or words that say why it cannot be had."""
    try:
        return str(error)
    except Exception as problem:  # any class may be raised
        return f"(its text cannot be had: {type(problem).__name__}{_reason(problem)})"


def text_of_any(error: BaseException) -> str:
    """The same for any exception, whose text may itself raise SystemExit or the like."""
    try:
        return text_of(error)
    except BaseException:  # whoever unpickles what a task made meets any class
        return "(its text cannot be had)"


def _reason(problem: Exception) -> str:
    try:
        return f": {problem}"
    except Exception:  # an error whose text raises an error of the same class
        return ""
