"""The name of the cluster that Slurm's commands ask, kept for the life of this process."""

import os
import time

# Seconds before a controller that did not say its name is asked again.
ASK_AGAIN_S = 20.0

_Which = tuple[str, str, str]
_names: dict[_Which, str] = {}
"""Name by PATH, SLURM_CONF and `--clusters`, which decide the cluster that the commands ask."""
_silent_until: dict[_Which, float] = {}


def known(cluster: str | None) -> str | None:
    """The name of the cluster that answers here; None if it is not known yet.

    `cluster` is the value of `--clusters`, or None.
    """
    return _names.get(_who_answers(cluster))


def may_ask(cluster: str | None) -> bool:
    """Whether to ask for the name now: it is not known, and the last question was some time ago.

    A call that returns True counts as a question.
    """
    which = _who_answers(cluster)
    if which in _names or time.monotonic() < _silent_until.get(which, 0.0):
        return False
    _silent_until[which] = time.monotonic() + ASK_AGAIN_S
    return True


def note(cluster: str | None, name: str) -> None:
    """Keep the name that the controller said."""
    _names[_who_answers(cluster)] = name
    _silent_until.pop(_who_answers(cluster), None)


def _who_answers(cluster: str | None) -> _Which:
    return os.environ.get("PATH", ""), os.environ.get("SLURM_CONF", ""), cluster or ""
