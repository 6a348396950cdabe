"""The job side: whatever an experiment does, what came of it is written down."""

import decimal
import json
import math
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from tmgg.errors import TaskError
from tmgg.experiment_utils import execute
from tmgg.experiment_utils.atomic_file import write_json
from tmgg.experiment_utils.execute import execute_task, parse_returned
from tmgg.experiment_utils.paths import RunPaths, SubmissionPaths
from tmgg.experiment_utils.task import TaskInput, TaskOutput, Worker, parse_result_line

LAB = """
import os, sys, time
from tmgg.experiment_utils.context import current_run

def good(config):
    return {"loss": config.x / 2, "nan": float("nan"), "inf": float("inf"), "checkpoint_path": "/c"}

def raising(config):
    raise ValueError("the loss is púrple \\n" + "x" * 10)

class Unspeakable(Exception):
    def __str__(self):
        raise RuntimeError("no words")

def unspeakable(config):
    raise Unspeakable

def leaving(config):
    sys.exit(0)

def quiet(config):
    sys.stdout.close()
    return {"x": 1}

def where(config):
    run = current_run()
    assert run.payload_path.read_bytes() == b"pay"
    (run.output_dir / "model.bin").write_text("m")
    assert config.output_dir == str(run.output_dir)
    stopped = run.stop_requested()
    return {"attempt": run.attempt, "stopped": stopped, "cwd": os.getcwd() == config.cwd}

def slow(config):
    try:
        time.sleep(60)
    except Exception:
        return {"swallowed": 1}

def text(config):
    return {"x": "abc"}

def heeding(config):
    from tmgg.errors import StoppedEarlyError
    run = current_run()
    before = run.previous_checkpoint
    if before is not None:
        return {"before": int(before.read_text())}
    saved = run.output_dir / "saved"
    saved.write_text("7")
    run.note_checkpoint(saved)
    while not run.stop_requested():
        print("asked", flush=True)
        time.sleep(0.01)
    raise StoppedEarlyError("at 7", checkpoint_path=str(saved))

def deaf(config):
    print("asked", flush=True)
    time.sleep(60)

def several(config):
    from tmgg.experiment_utils.context import Worker
    run = current_run()
    run.report_workers([Worker(rank=0, node="a"), Worker(rank=1, node="b")])
    (node,) = run.nodes
    assert (node.cpus, node.gpus) == (run.resources["CPU"], run.resources["GPU"])
    return {"cpus": node.cpus, "gpus": node.gpus}
"""


@pytest.fixture
def paths(folder: Path) -> SubmissionPaths:
    """A second submission whose job has begun."""
    (folder / "lab.py").write_text(LAB)
    paths = RunPaths(folder / "runs", "run").submission(2)
    paths.folder.mkdir(parents=True)
    return paths


def write_task(paths: SubmissionPaths, function: str, **config: Any) -> None:
    timeout_s = config.pop("timeout_s", None)
    target = function if ":" in function else f"lab:{function}"
    task = TaskInput(run_id="run", target=target, config=config, timeout_seconds=timeout_s)
    write_json(paths.run_paths.task, task.to_json())


def run_job(paths: SubmissionPaths, **variables: str) -> subprocess.CompletedProcess[str]:
    """As the job script does, in a process of its own."""
    code = "import sys; from tmgg.experiment_utils.execute import execute_task; "
    code += "sys.exit(execute_task(sys.argv[1]))"
    return subprocess.run(
        [sys.executable, "-u", "-c", code, str(paths.folder)],
        env=os.environ | {"TMGG_JOB_ID": "77", **variables},
        cwd=paths.run_paths.output_dir.parent,
        capture_output=True,
        text=True,
        timeout=150,
        check=False,
    )


def result(paths: SubmissionPaths) -> TaskOutput:
    return TaskOutput.from_json(json.loads(paths.result.read_text()))


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
    (line,) = [line for line in done.stdout.splitlines() if "TMGG_RESULT" in line]
    assert line.startswith("TMGG_RESULT:{")
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
    assert "ValueError: the loss is púrple" in done.stderr
    assert paths.entrypoint_exit_code.read_text() == "1\n"


def test_an_experiment_is_told_where_it_runs(paths: SubmissionPaths, folder: Path) -> None:
    write_task(paths, "where", cwd=str(folder))
    paths.run_paths.payload.write_bytes(b"pay")
    paths.stop.touch()
    done = run_job(paths, TMGG_RESTART="3")
    assert done.returncode == 0, done.stderr
    assert result(paths).metrics == {"attempt": 5, "stopped": True, "cwd": True}
    assert (paths.run_paths.artifacts / "model.bin").exists()


def attempt(paths: SubmissionPaths) -> TaskOutput:
    """In this process: half a second less than in one of its own."""
    execute_task(str(paths.folder))
    return result(paths)


@pytest.mark.filterwarnings("ignore::ResourceWarning")
def test_an_experiment_that_closes_the_log_loses_only_the_line(paths: SubmissionPaths) -> None:
    write_task(paths, "quiet")
    done = run_job(paths)
    assert done.returncode == 0
    assert result(paths).metrics == {"x": 1}
    assert "TMGG_RESULT" not in done.stdout


def test_an_error_without_words_is_still_a_result(paths: SubmissionPaths) -> None:
    write_task(paths, "unspeakable")
    found = attempt(paths)
    assert (found.status, found.error_type) == ("failed", "lab.Unspeakable")
    assert found.error_message == "(its text cannot be had: RuntimeError: no words)"


def test_an_experiment_that_leaves_by_itself_has_failed(paths: SubmissionPaths) -> None:
    write_task(paths, "leaving")
    found = attempt(paths)
    assert (found.status, found.stage, found.error_type) == ("failed", "run", "SystemExit")


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
        (None, "no task file"),
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
    assert signal.getitimer(signal.ITIMER_REAL) == (0.0, 0.0)


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
        "from tmgg.experiment_utils import timeout\n"
        "def deaf(config):\n"
        "    signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGALRM])\n"
        "    time.sleep(60)\n"
    )
    code = (
        "import sys; from tmgg.experiment_utils import timeout; "
        "timeout.time_limit.__wrapped__.__kwdefaults__['grace_s'] = 0.3; "
        "from tmgg.experiment_utils.execute import execute_task; "
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


@pytest.mark.parametrize(
    ("returned", "metrics"),
    [
        (None, {}),
        (3, {"value": 3}),
        (2.5, {"value": 2.5}),
        ({"a": 1, "b": True}, {"a": 1, "b": True}),
        (
            {"a": np.float32(0.5), "b": np.int64(3), "c": np.bool_(True)},
            {"a": 0.5, "b": 3, "c": True},
        ),
        ({"a": np.array(2.0), "b": np.array([2.0])}, {"a": 2.0, "b": 2.0}),
        ({"a": torch.tensor(0.5), "b": torch.tensor([[3]])}, {"a": 0.5, "b": 3}),
        ({"a": torch.tensor(0.5, requires_grad=True)}, {"a": 0.5}),
        (torch.tensor(7), {"value": 7}),
        ({1: 2}, {"1": 2}),
        ({"checkpoint_path": None, "a": 1}, {"a": 1}),
    ],
)
def test_numbers_of_any_library_become_pythons(returned: object, metrics: dict[str, Any]) -> None:
    found, checkpoint = parse_returned(returned)
    assert found == metrics
    assert {type(value) for value in found.values()} <= {int, float, bool}
    assert checkpoint is None
    json.dumps(found)


@pytest.mark.parametrize("path", ["/c/last.ckpt", Path("/c/last.ckpt")])
def test_the_checkpoint_is_a_path_not_a_metric(path: object) -> None:
    assert parse_returned({"checkpoint_path": path}) == ({}, "/c/last.ckpt")


@pytest.mark.parametrize(
    ("returned", "words"),
    [
        ("done", "value='done', a str"),
        ((1, 2), "value=(1, 2), a tuple"),
        ({"a": [1]}, "a=[1], a list"),
        ({"a": {"b": 1}}, "a={'b': 1}, a dict"),
        ({"a": 1j}, "a=1j, a complex"),
        ({"a": decimal.Decimal(1)}, "a Decimal"),
        ({"a": None}, "a=None, a NoneType"),
        ({"a": np.array([])}, "a ndarray"),
        ({"a": np.array([1.0, 2.0])}, "a ndarray"),
        ({"a": torch.zeros(2)}, "a Tensor"),
        ({"a": np.str_("x")}, "a str_"),
        ({"a": "x" * 10_000}, "a='xxx"),
    ],
)
def test_anything_else_is_refused_by_name_and_type(returned: object, words: str) -> None:
    with pytest.raises(TaskError) as caught:
        parse_returned(returned)
    message = str(caught.value)
    assert words in message
    assert "Return a mapping of names to numbers" in message
    assert len(message) < 1_000


def ask_to_end(paths: SubmissionPaths) -> int:
    """SIGTERM to a job once its experiment runs; the exit code."""
    code = "from tmgg.experiment_utils.execute import execute_task; import sys; "
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
    assert ask_to_end(paths) == execute.STOPPED_EXIT_CODE
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
    assert run_job(paths).returncode == execute.STOPPED_EXIT_CODE
    assert result(paths).stop_reason == "time_limit"


def test_an_experiment_that_never_asks_is_ended_at_once(paths: SubmissionPaths) -> None:
    write_task(paths, "deaf")
    assert ask_to_end(paths) == -signal.SIGTERM
    assert not paths.result.exists()


def test_a_noted_checkpoint_that_is_gone_is_none(paths: SubmissionPaths) -> None:
    write_task(paths, "heeding")
    paths.run_paths.checkpoint.write_text("/no/such/checkpoint\n")
    paths.stop.touch()
    assert run_job(paths).returncode == execute.STOPPED_EXIT_CODE


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
