"""An experiment that is told to end, or whose time is over."""

import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.experiment_utils.job.execute.conftest import attempt, result, run_job, write_task
from tmgg.experiment_utils.files.atomic_file import write_json
from tmgg.experiment_utils.job import execute
from tmgg.experiment_utils.job.job_exit_codes import STOPPED
from tmgg.experiment_utils.run_folder.paths import SubmissionPaths
from tmgg.experiment_utils.run_folder.task import TaskInput


def test_the_time_limit_ends_even_an_experiment_that_catches_exceptions(
    paths: SubmissionPaths,
) -> None:
    write_task(paths, "slow", timeout_s=1)
    before = signal.getsignal(signal.SIGALRM)
    found = attempt(paths)
    assert (found.status, found.stage) == ("timeout", "run")
    assert found.error_message == "timeout_seconds=1 is over"
    assert found.duration_seconds < 30
    assert signal.getsignal(signal.SIGALRM) is before


def test_files_that_take_too_long_to_send_are_not_the_experiments_time_limit(
    paths: SubmissionPaths, monkeypatch: pytest.MonkeyPatch
) -> None:
    class SlowUpload:
        def __init__(self, _folder: Path, _url: str) -> None: ...

        def run(self) -> list[str]:
            time.sleep(60)
            return []

    monkeypatch.setattr(execute, "Upload", SlowUpload)
    monkeypatch.setattr(execute, "UPLOAD_WITHIN_S", 0.1)
    url = "memory://there"
    task = TaskInput(run_id="run", target="lab:good", config={"x": 3}, artifact_url=url)
    write_json(paths.run_paths.task, task.to_json())
    found = attempt(paths)
    assert (found.status, found.stage, found.metrics["loss"]) == ("failed", "artifacts", 1.5)
    assert "to memory://there/run took longer than 0.1 s" in str(found.error_message)


def test_an_experiment_that_ignores_its_time_limit_is_ended_with_a_result(
    paths: SubmissionPaths, folder: Path
) -> None:
    """As native code does that never comes back to Python."""
    (folder / "lab.py").write_text(
        "import signal, time\n"
        "from tmgg.experiment_utils.job import timeout\n"
        "def deaf(config):\n"
        "    signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGALRM])\n"
        "    time.sleep(60)\n"
    )
    code = (
        "import sys; from tmgg.experiment_utils.job import timeout; "
        "timeout.time_limit.__wrapped__.__kwdefaults__['grace_s'] = 0.3; "
        "from tmgg.experiment_utils.job.execute import execute_task; "
        "sys.exit(execute_task(sys.argv[1]))"
    )
    write_task(paths, "deaf", timeout_s=1)
    done = subprocess.run(
        [sys.executable, "-c", code, str(paths.folder)],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=150,
    )
    assert done.returncode == 1
    found = result(paths)
    assert found.status == "timeout"
    assert "ignored its time limit" in str(found.error_message)
    assert "deaf" in done.stderr  # where it hung
    assert "TMGG_RESULT:" in done.stdout


def ask_to_end(paths: SubmissionPaths) -> int:
    """SIGTERM to a job once its experiment runs; the exit code."""
    code = "from tmgg.experiment_utils.job.execute import execute_task; import sys; "
    code += "sys.exit(execute_task(sys.argv[1]))"
    with subprocess.Popen(
        [sys.executable, "-u", "-c", code, str(paths.folder)],
        cwd=paths.run_paths.output_dir.parent,
        stdout=subprocess.PIPE,
        text=True,
    ) as job:
        assert job.stdout is not None
        assert "asked" in job.stdout.readline()
        job.send_signal(signal.SIGTERM)
        job.send_signal(signal.SIGTERM)  # as Slurm does
        job.stdout.read()
        return job.wait(timeout=30)


def test_an_experiment_that_heeds_stops_saves_its_state_when_it_is_told_to_end(
    paths: SubmissionPaths,
) -> None:
    write_task(paths, "heeding")
    assert ask_to_end(paths) == STOPPED
    found = result(paths)
    assert (found.status, found.stop_reason) == ("stopped", "terminated")
    assert (found.error_message, found.stage) == ("at 7", None)
    assert found.checkpoint_path == str(paths.run_paths.artifacts / "saved")
    assert paths.entrypoint_exit_code.read_text() == "85\n"
    assert run_job(paths, TMGG_RESTART="1").returncode == 0
    assert result(paths).metrics == {"before": 7}


def test_the_job_scripts_reason_for_a_stop_is_kept(paths: SubmissionPaths) -> None:
    write_task(paths, "heeding")
    paths.stop.write_text("time_limit\n")
    assert run_job(paths).returncode == STOPPED
    assert result(paths).stop_reason == "time_limit"


def test_an_experiment_that_never_asks_is_ended_at_once(paths: SubmissionPaths) -> None:
    write_task(paths, "deaf")
    assert ask_to_end(paths) == -signal.SIGTERM
    assert not paths.result.exists()


def test_a_start_that_a_later_one_has_taken_over_from_ends_and_asks_nobody_to_stop(
    paths: SubmissionPaths,
) -> None:
    write_task(paths, "heeding")
    paths.restart.write_text("1\n")
    assert ask_to_end(paths) == -signal.SIGTERM
    assert not paths.stop.exists()
    assert not paths.result.exists()


def test_a_noted_checkpoint_that_is_gone_is_none(paths: SubmissionPaths) -> None:
    write_task(paths, "heeding")
    paths.run_paths.checkpoint.write_text("/no/such/checkpoint\n")
    paths.stop.touch()
    assert run_job(paths).returncode == STOPPED


def test_a_forked_child_ends_by_sigterm_as_in_any_other_process(paths: SubmissionPaths) -> None:
    """Pools end their workers so; the run itself is not asked to stop by it."""
    write_task(paths, "forking")
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})  # as Ray's job agent does
    try:
        run_job(paths)
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
    assert result(paths).metrics == {"ended_by": signal.SIGTERM, "blocked": 0, "stop": 0}


@pytest.mark.parametrize(("end", "code"), [("return", 0), ("raise", 1), ("exit", 5)])
def test_what_a_forked_child_returns_or_raises_is_not_the_runs(
    paths: SubmissionPaths, end: str, code: int
) -> None:
    write_task(paths, "splitting", end=end)
    done = run_job(paths)
    assert result(paths).metrics == {"code": code}
    assert done.stdout.count("TMGG_RESULT:") == 1


def test_alarms_of_the_experiments_own_do_not_lift_its_time_limit(paths: SubmissionPaths) -> None:
    write_task(paths, "helped", timeout_s=2)
    found = attempt(paths)
    assert (found.status, found.error_message) == ("timeout", "timeout_seconds=2 is over")
    assert found.duration_seconds < 15
