"""The traceback of an experiment's error, without the frames of TMGG and Hydra that called it."""

import os
import traceback
from types import TracebackType

_TMGG = os.path.dirname(os.path.dirname(__file__))  # noqa: PTH120
_CALLERS = (f"{_TMGG}/experiment_utils/", f"{_TMGG}/hydra_plugins/")
_HYDRA = "/site-packages/hydra/"


def format_from_users_code(error: BaseException) -> list[str]:
    """As `traceback.format_exception`, from the first frame that is not of TMGG's callers or Hydra.

    If all frames are, the whole traceback is shown: then the error is in that code.
    """
    begin = _below_callers(error.__traceback__)
    return traceback.format_exception(type(error), error, begin or error.__traceback__)


def _below_callers(trace: TracebackType | None) -> TracebackType | None:
    while trace is not None and _is_caller(trace.tb_frame.f_code.co_filename):
        trace = trace.tb_next
    return trace


def _is_caller(file: str) -> bool:
    return file.startswith(_CALLERS) or _HYDRA in file
