"""LocalRunner for real: processes of this machine, from spawn to result."""

import json
import math
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.experiment_utils.cloud.local.conftest import LAB, begin, config, kind, paths_of
from tmgg.errors import RunExistsError, UnknownRunError
from tmgg.experiment_utils.cloud import LocalConfig, LocalRunner, SlurmConfig, SlurmRunner
from tmgg.experiment_utils.cloud.local.runner import LocalBackend
from tmgg.experiment_utils.cloud.runs_on_record.waiting import Clock, Watch
from tmgg.experiment_utils.run_folder.phases import parse_phases


def test_from_spawn_to_result(runner: LocalRunner) -> None:
    spawned = runner.spawn_experiment(config("gated"), run_id="run")
    assert spawned.backend == "local"
    assert runner.get_status("run") == "running"
    (runner.base_dir / "gate").touch()
    result = runner.get_result(spawned)
    assert (result.status, result.metrics, result.attempts) == ("completed", {"value": 5}, 1)
    assert (result.error_message, result.failure) == (None, None)
    assert result.job_id == spawned.job_id
    assert result.nodes == [os.uname().nodename]
    assert 0 < (result.duration_seconds or 0) < 60
    phases = paths_of(runner).phases.read_text().splitlines()
    names = [line.split()[0] for line in phases]
    assert names == ["batch_start", "entrypoint_start", "entrypoint_end", "batch_end"]
    record = json.loads(paths_of(runner).ended.read_text())
    assert (record["stage"], record["exit_code"], record["signal"]) == ("entrypoint", 0, "")
    assert record["job_id"] == spawned.job_id == paths_of(runner).owner.read_text().strip()


def test_nothing_that_was_written_or_read_is_read_again(
    runner: LocalRunner, monkeypatch: pytest.MonkeyPatch
) -> None:
    read: list[str] = []

    def spy(path: str, flags: int, *options: int, real: Callable[..., int] = os.open) -> int:
        if not flags & os.O_WRONLY and os.fspath(path).endswith(".json"):
            read.append(Path(path).name)
        return real(path, flags, *options)

    runner.run_experiment(config("good"), run_id="before")
    monkeypatch.setattr(os, "open", spy)
    runner.spawn_experiment(config("good"), run_id="run")
    assert read == []
    LocalRunner(runner.config).get_result("before")
    once = ["run.json", "verdict.json", "result.json", "task.json"]
    assert [read.count(name) for name in once] == [1] * len(once)
    # Once to find the end, and once to see that the run that ended still has the name.
    assert read.count("intent.json") == 2


def test_odd_numbers_and_any_language_survive(runner: LocalRunner) -> None:
    given = config("good", word="日本語 'quoted' \n $HOME", rate=math.inf)
    result = runner.run_experiment(given, run_id="run")
    assert math.isnan(result.metrics["nan"])
    assert result.metrics["inf"] == math.inf
    assert result.metrics["größe"] == 1
    assert result.checkpoint_path == "/ünï/c"
    assert result.config == given
    assert "said 日本語 'quoted' \n $HOME\n" in Path(str(result.output_path)).read_text()


def test_an_experiment_that_raises(runner: LocalRunner) -> None:
    result = runner.run_experiment(config("bad"), run_id="run")
    assert (result.status, kind(result)) == ("failed", "user_error")
    assert "ValueError: the loss is purple: ünï" in str(result.error_message)
    assert 'raise ValueError("the loss is purple: ünï")' in str(result.error_message)
    assert "Traceback" in paths_of(runner).run_paths.stderr.read_text()


def test_the_time_of_a_run_that_left_no_result_is_that_of_its_marks(runner: LocalRunner) -> None:
    result = runner.run_experiment(config("crash", signal=int(signal.SIGKILL)), run_id="run")
    at = {mark.name: mark.at for mark in parse_phases(paths_of(runner).phases.read_text())}
    assert "entrypoint_end" not in at
    assert result.duration_seconds == pytest.approx(at["batch_end"] - at["entrypoint_start"])
    assert (result.duration_seconds or 0) > 0


def test_a_run_that_never_began_has_no_time(runner: LocalRunner) -> None:
    runner.run_experiment(config("crash", signal=int(signal.SIGKILL)), run_id="run")
    paths_of(runner).phases.write_text("batch_start 5 here\n")
    again = LocalRunner(LocalConfig()).get_result("run")
    assert (again.status, again.duration_seconds) == ("failed", None)


def test_the_time_limit_of_the_run_and_of_the_config(folder: Path) -> None:
    (folder / "lab.py").write_text(LAB)
    runner = LocalRunner(LocalConfig(timeout_seconds=1, output_dir="other"))
    result = runner.run_experiment(config("slow"))
    assert (result.status, kind(result)) == ("failed", "timeout")
    assert "timeout_seconds=1 is over" in str(result.error_message)
    assert 0 < (result.duration_seconds or 0) < 30
    assert (folder / "other" / f"{result.run_id}.out").exists()
    other = runner.spawn_experiment(config("good"), timeout_seconds=60)
    task = json.loads(paths_of(runner, other.run_id).run_paths.task.read_text())
    assert task["timeout_seconds"] == 60
    runner.get_result(other)


def test_a_run_for_which_there_can_be_no_room_says_why_it_was_not_started(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (folder / "home").write_text("a file, where the locks would be")
    monkeypatch.setenv("TMGG_HOME", str(folder / "home"))
    result = LocalRunner(LocalConfig(cpus_per_run=1)).run_experiment(config("good"))
    assert kind(result) == "environment"
    assert "could not be started: [Errno 20] Not a directory" in str(result.error_message)
    assert "a ~/.tmgg or TMGG_HOME that cannot be written" in str(result.error_message)


def test_an_experiment_whose_process_cannot_be_started_says_why(
    runner: LocalRunner, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(LocalBackend, "start", lambda *_given: "")
    runner.spawn_experiment(config("good"), run_id="run")
    code = "import sys; from pathlib import Path; sys.executable = '/no/python'; "
    code += "from tmgg.experiment_utils.cloud import local_supervisor as supervisor; "
    code += "sys.exit(supervisor.main(Path(sys.argv[1])))"
    argv = [sys.executable, "-c", code, str(paths_of(runner).folder)]
    assert subprocess.run(argv, timeout=150, check=False).returncode == os.EX_OSERR
    record = json.loads(paths_of(runner).ended.read_text())
    assert (record["stage"], record["signal"]) == ("preflight", "")
    result = runner.get_result("run")
    assert kind(result) == "environment"
    assert "could not be started: [Errno 2] No such file" in str(result.error_message)


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGSEGV])
def test_an_experiment_killed_by_a_signal_is_named_so(
    runner: LocalRunner, number: signal.Signals
) -> None:
    result = runner.run_experiment(config("crash", signal=int(number)))
    assert result.status == "failed"
    assert f"killed by {number.name}" in str(result.error_message)
    assert "died before it could leave a result" in str(result.error_message)


def test_a_failed_run_is_retried_and_resumed_and_a_complete_one_is_not(
    runner: LocalRunner,
) -> None:
    first = runner.run_experiment(config("once"), run_id="run")
    assert (first.status, first.attempts) == ("failed", 1)
    again = runner.spawn_experiment(config("once"), run_id="run", resume=True)
    second = runner.get_result(again)
    assert (second.status, second.metrics, second.attempts) == ("completed", {"value": 7}, 2)
    with pytest.raises(RunExistsError, match="run 'run' is completed; only a failed run"):
        runner.retry("run")
    third = runner.spawn_experiment(config("once"), run_id="run", resume=True)
    assert third.job_id == again.job_id
    assert paths_of(runner).run_paths.submission_numbers() == [1, 2]
    with pytest.raises(RunExistsError, match="already exists"):
        runner.spawn_experiment(config("once"), run_id="run")


def test_a_run_that_goes_on_is_resumed_by_doing_nothing(runner: LocalRunner) -> None:
    begin(runner, "gated")
    resumed = runner.spawn_experiment(config("gated"), run_id="run", resume=True)
    assert resumed.run_id == "run"
    assert paths_of(runner).run_paths.submission_numbers() == [1]


def test_two_runners_at_once_share_a_folder(runner: LocalRunner, folder: Path) -> None:
    code = """
import json, sys
from tmgg.experiment_utils.cloud import LocalRunner
configs = [{"experiment": {"_target_": "lab:good"}, "run_id": f"{sys.argv[1]}-{n}"} for n in (1, 2)]
results = LocalRunner().run_sweep(configs, parallelism=2)
print(json.dumps([[result.run_id, result.status] for result in results]))
"""
    sweeps = [
        subprocess.Popen([sys.executable, "-c", code, name], stdout=subprocess.PIPE, text=True)
        for name in "ab"
    ]
    for sweep, name in zip(sweeps, "ab", strict=True):
        with sweep:
            out, _error = sweep.communicate(timeout=150)
        assert json.loads(out) == [[f"{name}-1", "completed"], [f"{name}-2", "completed"]]


def test_an_enclosing_jobs_ray_is_not_this_runs(
    runner: LocalRunner, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TMGG_RAY_ADDRESS", "10.0.0.1:6379")
    result = runner.run_experiment(config("environment"), gpu_type="a100")
    assert result.status == "completed", result.error_message


def test_runs_of_another_backend_are_not_this_ones(runner: LocalRunner) -> None:
    runner.run_experiment(config("good"), run_id="run")
    other = SlurmRunner(SlurmConfig(output_dir=str(runner.output_dir)))
    with pytest.raises(UnknownRunError, match="belongs to the 'local' backend, not to 'slurm'"):
        other.get_status("run")


class StoppedClock(Clock):
    """By it the next question to the backend is never due. Opens the gate once somebody listens."""

    def __init__(self, gate: Path) -> None:
        self.gate = gate

    def monotonic(self) -> float:
        return 0.0

    def sleep(self, _duration_s: float) -> None:
        self.gate.touch()
        super().sleep(0.01)


@pytest.mark.timeout(120)
def test_an_end_is_heard_in_the_folder_without_another_question(
    runner: LocalRunner, folder: Path
) -> None:
    begin(runner, "gated")
    watch = Watch(runner.runs, clock=StoppedClock(folder / "gate"))
    watch.add("run")
    assert [state.status for state in watch.next_ended()] == ["completed"]
