"""While the file system fails, a job tries to write what it leaves; in the end a lost file costs
only itself.
"""

import errno
from pathlib import Path
from typing import Any

import pytest
from hydra.core.utils import JobReturn, JobStatus

from tests.experiment_utils.job.execute.conftest import result, run_job, write_task
from tmgg.errors import UnwritableError
from tmgg.experiment_utils.calls import outcome
from tmgg.experiment_utils.cloud.judging.diagnosis import diagnose_output
from tmgg.experiment_utils.files import leaving
from tmgg.experiment_utils.files.atomic_file import write_json
from tmgg.experiment_utils.files.leaving import GRACE_S
from tmgg.experiment_utils.job import context, execute
from tmgg.experiment_utils.run_folder.exit_record import End, leave_exit_record
from tmgg.experiment_utils.run_folder.failures import is_outage
from tmgg.experiment_utils.run_folder.paths import SubmissionPaths
from tmgg.experiment_utils.run_folder.task import TaskOutput, parse_result_line
from tmgg.hydra_plugins import job_returns


class Outage:
    """A file system that lets nothing be written for so long; nobody really waits."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, *, lasts_s: float) -> None:
        self._left_s = lasts_s
        self.waited_s = 0.0
        monkeypatch.setattr(leaving, "sleep_s", self._sleep)
        monkeypatch.setattr(leaving, "can_write", lambda _folder: self._left_s <= 0)
        for module in (execute, context, outcome, job_returns):
            for name in ("write_atomic", "write_json"):
                if hasattr(module, name):
                    monkeypatch.setattr(module, name, self._refusing(getattr(module, name)))

    def _sleep(self, seconds: float) -> None:
        self._left_s -= seconds
        self.waited_s += seconds

    def _refusing(self, write: Any) -> Any:
        def refuse(path: Path, *arguments: Any, **named: Any) -> None:
            if self._left_s > 0:
                raise PermissionError(errno.EACCES, "Permission denied", str(path))
            write(path, *arguments, **named)

        return refuse


@pytest.fixture(autouse=True)
def _no_earlier_outage(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(leaving._Outage, "has_outlasted_grace", False)


def test_a_result_is_written_once_the_file_system_answers(
    paths: SubmissionPaths, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_task(paths, "good", x=3)
    outage = Outage(monkeypatch, lasts_s=12)
    assert execute.execute_task(str(paths.folder)) == 0
    assert (result(paths).status, result(paths).metrics["loss"]) == ("completed", 1.5)
    assert paths.entrypoint_exit_code.read_text() == "0\n"
    assert outage.waited_s == 12


def test_a_result_goes_by_its_line_before_anybody_waits(
    paths: SubmissionPaths, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    write_task(paths, "good", x=3)
    outage = Outage(monkeypatch, lasts_s=10_000)
    assert execute.execute_task(str(paths.folder)) == 74
    line = next(line for line in capsys.readouterr().out.splitlines() if "TMGG_RESULT" in line)
    assert parse_result_line(line).metrics["loss"] == 1.5
    assert outage.waited_s == GRACE_S


def test_one_grace_is_for_all_that_a_job_leaves(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    outage = Outage(monkeypatch, lasts_s=10_000)
    for _ in range(3):
        with pytest.raises(UnwritableError):
            outcome.leave_returned(tmp_path, 1, attempt=1)
    assert outage.waited_s == GRACE_S


def test_a_return_value_is_written_later_and_costs_only_itself_in_the_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    made = JobReturn(status=JobStatus.COMPLETED)
    made.return_value = 7
    with monkeypatch.context() as patch:
        Outage(patch, lasts_s=9)
        job_returns.leave_if_possible(made, tmp_path, attempt=1)
    found = job_returns.load(tmp_path, attempt=1)
    assert found is not None
    assert found.return_value == 7
    with monkeypatch.context() as patch:
        Outage(patch, lasts_s=10_000)
        job_returns.leave_if_possible(made, tmp_path, attempt=2)
    assert "what the task function returned could not be written" in caplog.text


def test_a_call_whose_value_could_not_be_written_is_no_fault_of_the_function(
    paths: SubmissionPaths, folder: Path
) -> None:
    (folder / "lab.py").write_text(
        "from tmgg.errors import UnwritableError\n"
        "def lost(config):\n    raise UnwritableError('[Errno 13] Permission denied')\n"
        "def full(config):\n    raise UnwritableError('[Errno 28] No space left on device')\n"
    )
    found = {}
    for name in ("lost", "full"):
        write_task(paths, name)
        run_job(paths)
        found[name] = diagnose_output(TaskOutput.from_json(result(paths).to_json(), what="it"))
    assert [found[name].kind for name in found] == ["environment", "environment"]
    assert [is_outage(found[name]) for name in found] == [True, False]


def test_a_checkpoint_that_cannot_be_noted_does_not_end_the_training(
    paths: SubmissionPaths, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    note = paths.run_paths.folder / "note"
    run = context.RunContext(run_id="run", output_dir=paths.folder, checkpoint_note=note)
    with monkeypatch.context() as patch:
        Outage(patch, lasts_s=9)
        run.note_checkpoint("/a")
    assert note.read_text() == "/a\n"
    with monkeypatch.context() as patch:
        Outage(patch, lasts_s=10_000)
        run.note_checkpoint("/b")
    assert "later attempts will not go on from /b" in caplog.text
    assert note.read_text() == "/a\n"


def test_an_exit_record_is_written_once_its_folder_answers(
    paths: SubmissionPaths, monkeypatch: pytest.MonkeyPatch
) -> None:
    left = [OSError(errno.ESTALE, "Stale file handle"), OSError(errno.EIO, "I/O error")]
    write = write_json

    def refuse(*arguments: Any, **named: Any) -> None:
        if left:
            raise left.pop()
        write(*arguments, **named)

    monkeypatch.setattr("tmgg.experiment_utils.run_folder.exit_record.write_json", refuse)
    monkeypatch.setattr(leaving, "sleep_s", lambda _seconds: None)
    leave_exit_record(paths, End(job_id="7"))
    assert paths.ended.exists()


def test_a_folder_that_was_removed_is_not_waited_for(tmp_path: Path) -> None:
    assert leaving.can_write(tmp_path / "run" / "1")
