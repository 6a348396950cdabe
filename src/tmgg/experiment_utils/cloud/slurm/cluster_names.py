"""The name of the cluster that Slurm's commands ask, kept for the life of this process."""

import os
import time

# A controller that does not say its name is not asked again before.
ASK_AGAIN_S = 20.0

_Which = tuple[str, str, str]
_names: dict[_Which, str] = {}
"""By what decides which cluster the commands ask."""
_silent_until: dict[_Which, float] = {}


def known(cluster: str | None) -> str | None:
    """The name on record of the cluster that answers here; `cluster` is the one to ask, if any."""
    return _names.get(_who_answers(cluster))


def may_ask(cluster: str | None) -> bool:
    """Whether its name is unknown and the last question some time ago; counts as a question."""
    which = _who_answers(cluster)
    if which in _names or time.monotonic() < _silent_until.get(which, 0.0):
        return False
    _silent_until[which] = time.monotonic() + ASK_AGAIN_S
    return True


def note(cluster: str | None, name: str) -> None:
    """What its controller said."""
    _names[_who_answers(cluster)] = name
    _silent_until.pop(_who_answers(cluster), None)


def _who_answers(cluster: str | None) -> _Which:
    return os.environ.get("PATH", ""), os.environ.get("SLURM_CONF", ""), cluster or ""
