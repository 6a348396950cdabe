"""A backend that fails, or leaves a job out, has said nothing, and hinders no other runs."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest

from tmgg.errors import BackendUnavailableError, QueryError
from tmgg.experiment_utils.cloud.judging.polling import (
    Begun,
    Found,
    Question,
    poll_together,
)
from tmgg.experiment_utils.cloud.judging.verdict import JobView
from tmgg.experiment_utils.cloud.runs import RunState, Status
from tmgg.experiment_utils.run_folder.paths import RunPaths


class Asked:
    """An inquirer whose backend answers with what it is given, or raises it."""

    def __init__(self, source: str, answer: Mapping[str, JobView | None] | Exception) -> None:
        self.source = source
        self._answer = answer

    def begin_poll(self, run_ids: Sequence[str]) -> list[Begun]:
        return [Question(RunPaths(Path("/runs"), name).submission(1), name) for name in run_ids]

    def view_jobs(self, _job_ids: Sequence[str]) -> Mapping[str, JobView | None]:
        if isinstance(self._answer, Exception):
            raise self._answer
        return self._answer

    def end_poll(self, question: Question, views: Mapping[str, JobView | None]) -> Found:
        run_id = question.submission.run_paths.run_id
        view = views[run_id]
        status: Status = "pending" if view is None else "running"
        return RunState(run_id=run_id, status=status, final=False)


RUNNING = JobView(phase="running")


@pytest.mark.parametrize(
    "failing",
    [
        Asked("theirs", OSError("the scheduler is away")),
        Asked("theirs", QueryError("the scheduler is away")),
        Asked("theirs", KeyError("a fault of theirs")),
        Asked("theirs", {}),
    ],
)
def test_a_backend_that_does_not_answer_hinders_no_other(failing: Asked) -> None:
    ours = Asked("ours", {"b": RUNNING})
    found = poll_together([(failing, ["a"]), (ours, ["b"])], strict=True)
    assert [[state.status for state in each if isinstance(state, RunState)] for each in found] == [
        ["pending"],
        ["running"],
    ]


def test_a_backend_that_fails_at_each_look_is_named_once(caplog: pytest.LogCaptureFixture) -> None:
    failing = Asked("a source of this test only", OSError("the scheduler is away"))
    for _look in range(3):
        poll_together([(failing, ["a"])])
    (line,) = caplog.messages
    assert "a source of this test only" in line
    assert "OSError: the scheduler is away" in line


def test_where_a_backend_is_not_installed_whoever_is_strict_is_told() -> None:
    absent = Asked("absent", BackendUnavailableError("no such commands here"))
    ((found,),) = poll_together([(absent, ["a"])])
    assert isinstance(found, RunState)
    with pytest.raises(BackendUnavailableError, match="no such commands"):
        poll_together([(absent, ["a"])], strict=True)
