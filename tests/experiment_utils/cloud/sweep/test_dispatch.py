"""A file system that does not answer a dispatcher holds runs, and ends none."""

import errno
import os
from collections.abc import Sequence

import pytest

from tmgg.experiment_utils.cloud.runs import TaskRequest
from tmgg.experiment_utils.cloud.sweep.dispatch import Dispatched, PatientDispatch
from tmgg.experiment_utils.files.hiccups import Hiccups


class Failing:
    """A dispatcher that fails so often, and then launches all."""

    def __init__(self, times: int, number: int) -> None:
        self.times, self.number = times, number

    def dispatch(self, waiting: Sequence[TaskRequest], *, open_count: int) -> Dispatched:
        if self.times > 0:
            self.times -= 1
            raise OSError(self.number, os.strerror(self.number))
        return Dispatched(launched={str(each.run_id): None for each in waiting})


def test_runs_are_held_while_a_dispatcher_gets_no_answer() -> None:
    patient = PatientDispatch(Failing(2, errno.ESTALE))
    requests = [TaskRequest(config={}, run_id="a")]
    for _try in range(2):
        assert "Stale file handle" in patient.dispatch(requests, open_count=0).held
    assert patient.dispatch(requests, open_count=0).launched == {"a": None}


@pytest.mark.parametrize(("number", "waited_s"), [(errno.ENOSPC, 0.0), (errno.ESTALE, 301.0)])
def test_a_dispatcher_that_gets_no_answer_for_the_grace_has_failed(
    number: int, waited_s: float
) -> None:
    times_s = iter([0.0, 0.0, waited_s, waited_s])
    patient = PatientDispatch(Failing(9, number), Hiccups(lambda: next(times_s)))
    if waited_s:
        assert patient.dispatch([], open_count=0).held
    with pytest.raises(OSError, match=os.strerror(number)):
        patient.dispatch([], open_count=0)
