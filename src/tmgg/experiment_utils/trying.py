"""The loop that does something again after a pause. Whoever calls it says which errors may pass."""

from collections.abc import Callable
from typing import TypeVar

from tmgg.errors import SubmissionUnknownError, TmggError

_Result = TypeVar("_Result")
LOOK_AGAIN_S = 1.0


def keep_trying(
    action: Callable[[], _Result],
    *,
    may_help: Callable[[Exception, float], bool],
    sleep: Callable[[float], None],
) -> _Result:
    """What the action returns; again after each pause, for as long as `may_help` says so.

    `may_help` is given the error and the seconds of all pauses so far. Raises what the action
    raised otherwise. It must be fit to be called several times: what was perhaps done
    (SubmissionUnknownError) is not done again.
    """
    waited_s = 0.0
    while True:
        try:
            return action()
        except SubmissionUnknownError:
            raise
        except (OSError, TmggError) as error:
            if not may_help(error, waited_s):
                raise
        sleep(LOOK_AGAIN_S)
        waited_s += LOOK_AGAIN_S
