"""Whatever an experiment does, what came of it is written down."""

import json
import math
import os
from pathlib import Path

import pytest

from tests.experiment_utils.job.execute.conftest import attempt, result, run_job, write_task
from tmgg.experiment_utils.cloud.judging.diagnosis import diagnose_output
from tmgg.experiment_utils.job import execute
from tmgg.experiment_utils.job.execute import execute_task
from tmgg.experiment_utils.run_folder.paths import SubmissionPaths
from tmgg.experiment_utils.run_folder.task import Worker, parse_result_line


def test_a_result_is_a_file_a_line_and_an_exit_code(paths: SubmissionPaths) -> None:
    write_task(paths, "good", x=3)
    done = run_job(paths, TMGG_RESTART="1")
    assert (done.returncode, done.stderr) == (0, "")
    found = result(paths)
    assert (found.run_id, found.status, found.checkpoint_path) == ("run", "completed", "/c")
    assert found.metrics["loss"] == 1.5
    assert math.isnan(found.metrics["nan"])
    assert math.isinf(found.metrics["inf"])
    assert (found.submission, found.restart, found.job_id) == (2, 1, "77")
    assert found.hostname
    assert 0 < found.duration_seconds < 60
    assert found.completed_at - found.started_at == pytest.approx(found.duration_seconds)
    strict = json.loads(paths.result.read_text(), parse_constant=pytest.fail)
    assert strict["metrics"]["nan"] == "NaN"
    (line,) = [line for line in done.stdout.splitlines() if "TMGG_RESULT" in line]
    assert line.startswith("TMGG_RESULT:{")
    json.loads(line.partition(":")[2], parse_constant=pytest.fail)
    assert json.dumps(parse_result_line(line).to_json()) == json.dumps(found.to_json())
    assert paths.entrypoint_exit_code.read_text() == "0\n"
    assert paths.result.stat().st_mode & 0o777 == 0o600
    names = [line.split()[0] for line in paths.phases.read_text().splitlines()]
    assert names == ["entrypoint_start", "entrypoint_end"]


def test_an_experiment_that_raises_leaves_its_last_words(paths: SubmissionPaths) -> None:
    write_task(paths, "raising")
    done = run_job(paths)
    assert done.returncode == 1
    found = result(paths)
    assert (found.status, found.stage, found.error_type) == ("failed", "run", "ValueError")
    assert found.error_message == "the loss is púrple \n" + "x" * 10
    assert found.traceback is not None
    assert "raise ValueError" in found.traceback
    # Its lines are the experiment's own; those of who called it are the same for all.
    assert "tmgg/experiment_utils" not in found.traceback
    assert "ValueError: the loss is púrple" in done.stderr
    assert paths.entrypoint_exit_code.read_text() == "1\n"


def test_divergence_is_a_failure_of_its_own_kind_with_the_best_weights(
    paths: SubmissionPaths,
) -> None:
    write_task(paths, "diverging")
    assert run_job(paths).returncode == 1
    found = result(paths)
    assert (found.status, found.checkpoint_path) == ("failed", "/best.ckpt")
    why = diagnose_output(found)
    assert (why.kind, why.message) == ("diverged", "training diverged at step 45: loss is nan")


def test_an_experiment_is_told_where_it_runs(paths: SubmissionPaths, folder: Path) -> None:
    write_task(paths, "where", cwd=str(folder))
    paths.run_paths.payload.write_bytes(b"pay")
    paths.stop.touch()
    done = run_job(paths, TMGG_RESTART="3")
    assert done.returncode == 0, done.stderr
    assert result(paths).metrics == {"attempt": 5, "stopped": True, "cwd": True}
    assert (paths.run_paths.artifacts / "model.bin").exists()


@pytest.mark.filterwarnings("ignore::ResourceWarning")
def test_an_experiment_that_closes_the_log_loses_nothing(paths: SubmissionPaths) -> None:
    write_task(paths, "quiet")
    done = run_job(paths)
    assert done.returncode == 0
    assert "TMGG_RESULT" in done.stdout
    assert result(paths).metrics == {"x": 1}


def test_an_error_without_words_is_still_a_result(paths: SubmissionPaths) -> None:
    write_task(paths, "unspeakable")
    found = attempt(paths)
    assert (found.status, found.error_type) == ("failed", "lab.Unspeakable")
    assert found.error_message == "(its text cannot be had: RuntimeError: no words)"


@pytest.mark.parametrize("code", [None, 0, False])
def test_sys_exit_without_a_code_is_success(paths: SubmissionPaths, code: object) -> None:
    write_task(paths, "leaving", code=code)
    found = attempt(paths)
    assert (found.status, found.metrics) == ("completed", {})


@pytest.mark.parametrize(
    ("code", "words"), [(3, "sys.exit(3)"), ("no data in /x", "no data in /x"), ("", "")]
)
def test_sys_exit_with_a_code_is_a_failure_in_its_words(
    paths: SubmissionPaths, code: object, words: str
) -> None:
    write_task(paths, "leaving", code=code)
    found = attempt(paths)
    assert (found.status, found.stage, found.error_type) == ("failed", "run", "SystemExit")
    assert found.error_message == words


def test_leaving_by_os_exit_is_a_failure_with_words_of_its_own(paths: SubmissionPaths) -> None:
    write_task(paths, "leaving_silently")
    done = run_job(paths)
    found = result(paths)
    assert done.returncode == 1
    assert (found.status, found.stage) == ("failed", "run")
    assert "ended its own process with os._exit(0)" in str(found.error_message)
    assert "Called from:" in str(found.traceback)
    assert done.stdout.count("TMGG_RESULT") == 1


@pytest.mark.parametrize(
    ("target", "error_type", "words"),
    [
        ("lab:nobody", "tmgg.errors.TaskError", "has no 'nobody'"),
        ("no_such_lab:run", "ModuleNotFoundError", "no_such_lab"),
    ],
)
def test_an_experiment_that_cannot_be_loaded_failed_in_loading(
    paths: SubmissionPaths, target: str, error_type: str, words: str
) -> None:
    write_task(paths, target)
    found = attempt(paths)
    assert (found.status, found.stage, found.error_type) == ("failed", "load", error_type)
    assert words in str(found.error_message)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (None, "task.json"),
        ("", "is not JSON"),
        ("[]", "not an object"),
        ('{"version": 99}', "version 99"),
    ],
)
def test_a_task_that_cannot_be_read_is_a_result_too(
    paths: SubmissionPaths, content: str | None, words: str
) -> None:
    if content is not None:
        paths.run_paths.task.write_text(content)
    found = attempt(paths)
    assert (found.run_id, found.submission, found.status, found.stage) == (
        "run",
        2,
        "failed",
        "load",
    )
    assert words in str(found.error_message)


def test_what_is_no_number_is_a_bad_result_by_name(paths: SubmissionPaths) -> None:
    write_task(paths, "text")
    found = attempt(paths)
    assert (found.status, found.stage) == ("failed", "result")
    assert "x='abc', a str" in str(found.error_message)
    assert "Return a mapping of names to numbers" in str(found.error_message)


def test_a_result_that_cannot_be_written_is_still_in_the_log(
    paths: SubmissionPaths, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def full(*_arguments: object, **_options: object) -> None:
        raise OSError(28, "No space left on device")

    write_task(paths, "good", x=3)
    monkeypatch.setattr(execute, "write_json", full)
    assert execute_task(str(paths.folder)) == os.EX_IOERR
    line = next(line for line in capsys.readouterr().out.splitlines() if "TMGG_RESULT" in line)
    assert parse_result_line(line).metrics["loss"] == 1.5
    assert not paths.entrypoint_exit_code.exists()


def test_a_folder_that_vanished_leaves_the_line_and_its_own_exit_code(
    paths: SubmissionPaths, folder: Path
) -> None:
    (folder / "lab.py").write_text(
        "import shutil\ndef gone(config):\n    shutil.rmtree('runs/run/2')\n    return 5\n"
    )
    write_task(paths, "gone")
    done = run_job(paths)
    assert done.returncode == os.EX_IOERR
    assert '"value":5' in done.stdout
    assert "could not write" in done.stderr


def test_reported_workers_are_in_the_result(paths: SubmissionPaths) -> None:
    write_task(paths, "several")
    assert run_job(paths, CUDA_VISIBLE_DEVICES="0,1").returncode == 0
    found = result(paths)
    assert found.workers == [Worker(rank=0, node="a"), Worker(rank=1, node="b")]
    assert found.metrics == {"cpus": len(os.sched_getaffinity(0)), "gpus": 2}


def test_a_job_that_slurm_gives_no_gpu_has_none(paths: SubmissionPaths) -> None:
    write_task(paths, "several")
    run_job(paths, CUDA_VISIBLE_DEVICES="NoDevFiles")
    assert result(paths).metrics["gpus"] == 0
