"""What a task makes of its own process, and the value comes all the same."""

from pathlib import Path

import pytest

from tests.experiment_utils.job.execute.conftest import result, run_job, write_task
from tmgg.experiment_utils.job.clock import Stopwatch
from tmgg.experiment_utils.run_folder.paths import SubmissionPaths
from tmgg.experiment_utils.run_folder.task import parse_result_line

_TASK = """
import os, sys, time
import tmgg.experiment_utils.job.clock

def spoiling(config):
    print("before")
    exec(config.code, globals())
    return {"x": 1}
"""

_CODES = {
    "streams closed": "sys.stdout.close(); sys.stderr.close()",
    "descriptors closed": "os.close(1); os.close(2)",
    "both": "sys.stdout.close(); sys.stderr.close(); os.close(1); os.close(2)",
    "something odd": "sys.stdout = object(); sys.stderr = 3",
    "no __main__": "del sys.modules['__main__']",
    "an odd __main__": "sys.modules['__main__'] = 3",
    "streams taken away": "sys.stdout = sys.stderr = None",
}


@pytest.mark.parametrize("code", _CODES.values(), ids=list(_CODES))
def test_a_value_comes_from_a_process_that_its_task_has_spoilt(
    paths: SubmissionPaths, folder: Path, code: str
) -> None:
    (folder / "lab.py").write_text(_TASK)
    write_task(paths, "spoiling", code=code)
    done = run_job(paths)
    assert done.returncode == 0
    assert (result(paths).status, result(paths).metrics) == ("completed", {"x": 1})
    assert paths.entrypoint_exit_code.read_text() == "0\n"


@pytest.mark.parametrize("code", [_CODES["streams closed"], _CODES["something odd"]])
def test_the_result_line_comes_where_standard_output_is_closed(
    paths: SubmissionPaths, folder: Path, code: str
) -> None:
    (folder / "lab.py").write_text(_TASK)
    write_task(paths, "spoiling", code=code)
    (line,) = [line for line in run_job(paths).stdout.splitlines() if "TMGG_RESULT" in line]
    assert parse_result_line(line).metrics == {"x": 1}


def test_a_stream_of_the_tasks_own_stays_as_it_is(paths: SubmissionPaths, folder: Path) -> None:
    (folder / "lab.py").write_text(_TASK)
    code = "import atexit; sys.stdout = open('own', 'w'); atexit.register(print, 'at the end')"
    write_task(paths, "spoiling", code=code)
    run_job(paths)
    assert "at the end" in (paths.run_paths.output_dir.parent / "own").read_text()


def test_files_of_tmgg_can_be_read_whatever_umask_a_task_sets(
    paths: SubmissionPaths, folder: Path
) -> None:
    (folder / "lab.py").write_text(_TASK)
    write_task(paths, "spoiling", code=f"os.unlink({str(paths.phases)!r}); os.umask(0o777)")
    assert run_job(paths).returncode == 0
    for path in (paths.result, paths.entrypoint_exit_code):
        assert path.stat().st_mode & 0o777 == 0o600
    assert paths.phases.stat().st_mode & 0o777 == 0o600


def test_a_frozen_clock_of_the_task_is_not_the_runs(paths: SubmissionPaths, folder: Path) -> None:
    """Replaced as freezegun does it: in every module that has it by name."""
    (folder / "lab.py").write_text(_TASK)
    code = """
clocks = [time.time, time.monotonic, time.sleep]
for module in list(sys.modules.values()):
    for name, value in list(getattr(module, "__dict__", {}).items()):
        if any(value is clock for clock in clocks):
            setattr(module, name, lambda *_: 0.0)
"""
    write_task(paths, "spoiling", code=code)
    began = Stopwatch()
    assert run_job(paths).returncode == 0
    found = result(paths)
    assert 0 < found.duration_seconds < began.elapsed_s()
    assert began.at < found.started_at < found.completed_at
    marks = [float(line.split()[1]) for line in paths.phases.read_text().splitlines()]
    assert marks == sorted(marks)
