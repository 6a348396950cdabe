"""Ends endless launches: each job launches the same program again, and so on.

A script without a guarded part does this, or one that starts its own command line in each job. Each
job notes in its environment when it began, after the same note of the jobs that it was launched
from. Launches within launches are rare, and a wanted chain of jobs that each submit the next one is
slow, so many levels within a short time are an error.
"""

import contextlib
import os
import time
from collections.abc import Iterator, Mapping

from tmgg.errors import ConfigError, TaskError
from tmgg.experiment_utils.job.job_environment import LAUNCHED_FROM_VARIABLE

MOST_VARIABLE = "TMGG_MAX_NESTING"
_MOST = 4
_WITHIN_S = 1800


@contextlib.contextmanager
def noting_job() -> Iterator[None]:
    """Within the `with` block, note this job in the environment: launches there come from it."""
    before = os.environ.get(LAUNCHED_FROM_VARIABLE)
    os.environ[LAUNCHED_FROM_VARIABLE] = ",".join(map(str, [*_began(os.environ), int(time.time())]))
    try:
        yield
    finally:
        os.environ.pop(LAUNCHED_FROM_VARIABLE, None)
        if before is not None:
            os.environ[LAUNCHED_FROM_VARIABLE] = before


def refuse_endless(environment: Mapping[str, str] = os.environ) -> None:
    """Raise TaskError for a launch at too deep a level, if these levels began within a short time.

    Raises ConfigError if the limit in the environment is not a number of at least 1.
    """
    most = _most(environment)
    latest = _began(environment)[-most:]
    if len(latest) < most:
        return
    since_s = time.time() - latest[0]
    if since_s > _WITHIN_S:
        return
    raise TaskError(
        f"this launch is not made: it comes from a job, which was launched from another job, "
        f"and so on, {most} jobs deep within {since_s:.0f} s. If the program launches jobs "
        'whenever it starts, put the launch under `if __name__ == "__main__":`, and let no job '
        f"start the program itself. If the nesting is meant, set {MOST_VARIABLE} to more than "
        f"{most} where the first launch is made."
    )


def _most(environment: Mapping[str, str]) -> int:
    given = environment.get(MOST_VARIABLE) or str(_MOST)
    if not given.isdecimal() or int(given) < 1:
        raise ConfigError(f"{MOST_VARIABLE} must be a number of at least 1, not {given!r}")
    return int(given)


def _began(environment: Mapping[str, str]) -> list[int]:
    found = environment.get(LAUNCHED_FROM_VARIABLE, "").split(",")
    return [int(each) for each in found if each.isdecimal()]
