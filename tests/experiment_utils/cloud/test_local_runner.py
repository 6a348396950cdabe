"""LocalRunner for real: processes of this machine, from spawn to result."""

import json
import math
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tmgg.errors import RunExistsError, UnknownRunError
from tmgg.experiment_utils.cloud import LocalConfig, LocalRunner, SlurmRunner
from tmgg.experiment_utils.cloud.runs import ExperimentResult, TaskRequest
from tmgg.experiment_utils.cloud.waiting import Clock, Watch
from tmgg.experiment_utils.ownership import claim, is_forbidden
from tmgg.experiment_utils.paths import RunPaths, SubmissionPaths
from tmgg.experiment_utils.registry import process_name, process_start

LAB = """
import os, signal, subprocess, sys, time
from pathlib import Path
from tmgg.experiment_utils.context import current_run

def good(config):
    print("said", config.get("word", "nothing"))
    return {"nan": float("nan"), "inf": float("inf"), "größe": 1, "checkpoint_path": "/ünï/c"}

def bad(config):
    raise ValueError("the loss is purple: ünï")

def slow(config):
    subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
    Path(f"{current_run().run_id}.begun").write_text(str(os.getpid()))
    time.sleep(600)

def gated(config):
    Path(f"{current_run().run_id}.begun").write_text(str(os.getpid()))
    while not Path("gate").exists():
        time.sleep(0.02)
    return 5

def deaf(config):
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    return slow(config)

def crash(config):
    os.kill(os.getpid(), config.signal)

def litter(config):
    started = subprocess.Popen(["sleep", "600"])
    Path("litter").write_text(str(started.pid))
    return 1

def daemon(config):
    # Twice forked, in a session of its own: nobody's child.
    code = "import subprocess as s; "
    code += "print(s.Popen(['sleep', '600'], start_new_session=True, stdout=s.DEVNULL).pid)"
    said = subprocess.run([sys.executable, "-c", code], stdout=subprocess.PIPE, check=True).stdout
    Path("daemon").write_text(said.decode())
    return 1

def once(config):
    if not Path("tried").exists():
        Path("tried").touch()
        raise RuntimeError("the first time")
    return 7

def environment(config):
    assert "TMGG_RAY_ADDRESS" not in os.environ
    return len(os.environ["TMGG_JOB_ID"])
"""


@pytest.fixture
def runner(folder: Path) -> Iterator[LocalRunner]:
    (folder / "lab.py").write_text(LAB)
    yield LocalRunner()
    (folder / "gate").touch()
    for begun in folder.glob("*.begun"):
        if leader := begun.read_text():
            kill_group(int(leader))


def kill_group(leader: int) -> None:
    try:
        os.killpg(leader, signal.SIGKILL)
    except ProcessLookupError:
        return


def config(function: str, **values: Any) -> dict[str, Any]:
    return {"experiment": {"_target_": f"lab:{function}"}, **values}


def paths_of(runner: LocalRunner, run_id: str = "run", number: int = 1) -> SubmissionPaths:
    return RunPaths(runner.output_dir, run_id).submission(number)


def until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def begin(runner: LocalRunner, function: str, run_id: str = "run") -> int:
    """Spawn and wait until the experiment is under way; its process."""
    runner.spawn_experiment(config(function), run_id=run_id)
    begun = runner.base_dir / f"{run_id}.begun"
    until(lambda: begun.exists() and bool(begun.read_text()))
    return int(begun.read_text())


def group_exists(leader: int) -> bool:
    try:
        os.killpg(leader, 0)
    except ProcessLookupError:
        return False
    return True


def kind(result: ExperimentResult) -> str:
    assert result.failure is not None
    return result.failure.kind


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
    assert 0 < result.duration_seconds < 60
    phases = paths_of(runner).phases.read_text().splitlines()
    names = [line.split()[0] for line in phases]
    assert names == ["batch_start", "entrypoint_start", "entrypoint_end", "batch_end"]
    record = json.loads(paths_of(runner).ended.read_text())
    assert (record["stage"], record["exit_code"], record["signal"]) == ("entrypoint", 0, "")
    assert record["job_id"] == spawned.job_id == paths_of(runner).owner.read_text().strip()


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


def test_the_time_limit_of_the_run_and_of_the_config(folder: Path) -> None:
    (folder / "lab.py").write_text(LAB)
    runner = LocalRunner(LocalConfig(timeout_seconds=1, output_dir="other"))
    result = runner.run_experiment(config("slow"))
    assert (result.status, kind(result)) == ("failed", "timeout")
    assert "timeout_seconds=1 is over" in str(result.error_message)
    assert result.duration_seconds < 30
    assert (folder / "other" / f"{result.run_id}.out").exists()
    other = runner.spawn_experiment(config("good"), timeout_seconds=60)
    task = json.loads(paths_of(runner, other.run_id).run_paths.task.read_text())
    assert task["timeout_seconds"] == 60
    runner.get_result(other)


def test_a_cancelled_run_leaves_no_process(runner: LocalRunner) -> None:
    leader = begin(runner, "slow")
    began_s = time.monotonic()
    assert runner.cancel("run") is True
    result = runner.get_result("run")
    assert kind(result) == "cancelled"
    until(lambda: not group_exists(leader))
    assert time.monotonic() - began_s < 9
    assert runner.cancel("run") is False
    record = json.loads(paths_of(runner).ended.read_text())
    assert (record["signal"], record["exit_code"]) == ("TERM", 143)


def test_an_experiment_that_will_not_end_is_killed(
    runner: LocalRunner, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(LocalRunner, "start", lambda _runner, _submission: "")
    runner.spawn_experiment(config("deaf"), run_id="run")
    code = "import sys; from pathlib import Path; "
    code += "from tmgg.experiment_utils.cloud import local_supervisor as supervisor; "
    code += "supervisor.KILL_AFTER_S = 0.2; sys.exit(supervisor.main(Path(sys.argv[1])))"
    with subprocess.Popen([sys.executable, "-c", code, paths_of(runner).folder]) as supervisor:
        begun = runner.base_dir / "run.begun"
        until(lambda: begun.exists() and bool(begun.read_text()))
        supervisor.terminate()
        assert supervisor.wait(60) == 128 + 9
    until(lambda: not group_exists(int(begun.read_text())))
    record = json.loads(paths_of(runner).ended.read_text())
    assert (record["signal"], record["exit_code"]) == ("TERM", 137)


def test_a_run_cancelled_before_it_began_never_begins(
    runner: LocalRunner, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(LocalRunner, "start", lambda _runner, _submission: "")
        runner.spawn_experiment(config("slow"), run_id="run")
    assert runner.get_status("run") == "pending"
    assert runner.cancel("run") is True
    assert kind(runner.get_result("run")) == "cancelled"
    late = supervise(paths_of(runner))
    assert (late.returncode, late.stdout) == (
        0,
        "tmgg: not needed, this submission belongs to nobody\n",
    )
    assert not (runner.base_dir / "run.begun").exists()


def supervise(paths: SubmissionPaths) -> subprocess.CompletedProcess[str]:
    argv = [sys.executable, "-m", "tmgg.experiment_utils.cloud.local_supervisor", str(paths.folder)]
    return subprocess.run(argv, capture_output=True, text=True, timeout=150, check=False)


def test_a_supervisor_that_finds_a_cancellation_starts_nothing(
    runner: LocalRunner, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(LocalRunner, "start", lambda _runner, _submission: "")
    runner.spawn_experiment(config("slow"), run_id="run")
    paths_of(runner).cancel.write_text("{}")
    assert supervise(paths_of(runner)).returncode == 0
    assert json.loads(paths_of(runner).ended.read_text())["stage"] == "cancelled"
    assert kind(runner.get_result("run")) == "cancelled"


def test_a_run_for_which_there_can_be_no_room_says_why_it_was_not_started(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (folder / "home").write_text("a file, where the locks would be")
    monkeypatch.setenv("TMGG_HOME", str(folder / "home"))
    result = LocalRunner(LocalConfig(cpus_per_run=1)).run_experiment(config("good"))
    assert kind(result) == "environment"
    assert "could not be started: [Errno 20] Not a directory" in str(result.error_message)
    assert "a writable ~/.tmgg or TMGG_HOME" in str(result.error_message)


def test_an_experiment_whose_process_cannot_be_started_says_why(
    runner: LocalRunner, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(LocalRunner, "start", lambda _runner, _submission: "")
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


def test_what_an_experiment_leaves_behind_is_ended(runner: LocalRunner) -> None:
    assert runner.run_experiment(config("litter")).status == "completed"
    pid = int((runner.base_dir / "litter").read_text())
    until(lambda: process_start(pid) == "")


def test_a_run_outlives_its_submitter_and_is_collected_by_another(runner: LocalRunner) -> None:
    code = """
from tmgg.experiment_utils.cloud import LocalRunner
LocalRunner().spawn_experiment({"experiment": {"_target_": "lab:gated"}}, run_id="run")
"""
    subprocess.run([sys.executable, "-c", code], check=True, timeout=150)
    assert runner.get_status("run") == "running"
    (runner.base_dir / "gate").touch()
    assert runner.get_result("run").metrics == {"value": 5}
    # The same from a folder where nothing is known but the list of folders.
    os.chdir(runner.base_dir.parent)
    assert LocalRunner().get_result("run").status == "completed"


KILLED = """
import os, signal, sys
from tmgg.experiment_utils.cloud import LocalRunner
from tmgg.experiment_utils.cloud import local
if sys.argv[1] == "before":
    LocalRunner.start = lambda runner, submission: os.kill(os.getpid(), signal.SIGKILL)
else:
    local.note_job = lambda submission, job_id: os.kill(os.getpid(), signal.SIGKILL)
LocalRunner().spawn_experiment({"experiment": {"_target_": "lab:gated"}}, run_id="run")
"""


def kill_submitter(when: str) -> None:
    killed = subprocess.run([sys.executable, "-c", KILLED, when], timeout=150, check=False)
    assert killed.returncode == -signal.SIGKILL


def test_a_submitter_killed_before_it_could_note_the_process_loses_nothing(
    runner: LocalRunner,
) -> None:
    kill_submitter("after")
    assert runner.get_status("run") in ("pending", "running")
    until(lambda: runner.get_status("run") == "running")
    (runner.base_dir / "gate").touch()
    assert runner.get_result("run").metrics == {"value": 5}


def test_a_submitter_killed_before_it_could_start_the_process_is_a_failed_submission(
    runner: LocalRunner,
) -> None:
    kill_submitter("before")
    paths = paths_of(runner)
    assert runner.get_status("run") == "pending"
    make_older(paths, 11)
    result = runner.get_result("run")
    assert kind(result) == "submission"
    assert "tmgg-jobs retry run" in str(result.error_message)
    assert is_forbidden(paths)
    (runner.base_dir / "gate").touch()
    runner.retry("run")
    assert runner.get_result("run").attempts == 2


def make_older(paths: SubmissionPaths, seconds: float) -> None:
    intent = json.loads(paths.intent.read_text())
    paths.intent.write_text(json.dumps(intent | {"created_at": time.time() - seconds}))


def test_a_submitter_that_lives_on_without_starting_anything_does_not_keep_the_run_open(
    runner: LocalRunner, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(LocalRunner, "start", lambda _runner, _submission: "")
        runner.spawn_experiment(config("good"), run_id="run")
    make_older(paths_of(runner), 55)
    assert runner.get_status("run") == "pending"
    make_older(paths_of(runner), 61)
    assert kind(runner.get_result("run")) == "submission"


def test_a_submission_begun_by_one_supervisor_is_not_begun_by_another(
    runner: LocalRunner, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(LocalRunner, "start", lambda _runner, _submission: "")
    runner.spawn_experiment(config("good"), run_id="run")
    paths = paths_of(runner)
    me = process_name(os.getpid())
    assert claim(paths, me) == me
    assert f"belongs to {me}" in supervise(paths).stdout
    assert not paths.phases.exists()
    assert runner.get_status("run") == "running"


def test_a_supervisor_that_was_killed_is_seen_even_while_it_is_a_zombie(
    runner: LocalRunner,
) -> None:
    """Its parent, which spawned it, lives on and never looks."""
    code = """
import sys
from tmgg.experiment_utils.cloud import LocalRunner
runner = LocalRunner()
print(runner.spawn_experiment({"experiment": {"_target_": "lab:slow"}}, run_id="run").job_id)
sys.stdout.flush()
sys.stdin.read()
"""
    with subprocess.Popen(
        [sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as parent:
        assert parent.stdout is not None
        pid = int(parent.stdout.readline().partition(".")[0])
        until((runner.base_dir / "run.begun").exists)
        os.kill(pid, signal.SIGKILL)
        until(lambda: process_start(pid) == "")
        result = runner.get_result("run")
        assert result.status == "failed"
        parent.communicate(timeout=150)


@pytest.mark.filterwarnings("ignore:.*multi-threaded:DeprecationWarning")
def test_a_forked_process_does_not_take_its_parents_run_for_dead(runner: LocalRunner) -> None:
    begin(runner, "gated")
    if (child := os.fork()) == 0:
        try:
            os._exit({"running": 0}.get(runner.get_status("run"), 1))
        finally:
            os._exit(2)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


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


def test_a_sweep_leaves_neither_processes_nor_open_files(runner: LocalRunner) -> None:
    before = len(list(Path("/proc/self/fd").iterdir()))
    requests = [TaskRequest(config=config(name), run_id=name) for name in ("good", "bad", "litter")]
    results = runner.run_sweep(requests, parallelism=2)
    assert [result.status for result in results] == ["completed", "failed", "completed"]
    runner.poll([result.run_id for result in results])
    assert len(list(Path("/proc/self/fd").iterdir())) <= before
    until(lambda: not supervisors())


def supervisors() -> list[str]:
    """Those of this process that live."""
    children = Path(f"/proc/self/task/{os.getpid()}/children").read_text().split()
    return [pid for pid in children if "local_supervisor" in command_of(pid)]


def command_of(pid: str) -> str:
    try:
        return Path(f"/proc/{pid}/cmdline").read_text()
    except OSError:
        return ""


def test_an_enclosing_jobs_ray_is_not_this_runs(
    runner: LocalRunner, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TMGG_RAY_ADDRESS", "10.0.0.1:6379")
    result = runner.run_experiment(config("environment"), gpu_type="a100")
    assert result.status == "completed", result.error_message


def test_runs_of_another_backend_are_not_this_ones(runner: LocalRunner) -> None:
    runner.run_experiment(config("good"), run_id="run")
    other = SlurmRunner()
    other.output_dir = runner.output_dir
    with pytest.raises(UnknownRunError, match="belongs to the 'local' backend, not to 'slurm'"):
        other.get_status("run")


def test_a_machine_that_is_not_this_one_says_nothing_about_its_processes(
    runner: LocalRunner,
) -> None:
    begin(runner, "gated")
    paths = paths_of(runner)
    paths.owner.write_text("1.2@another\n")
    (state,) = runner.poll(["run"])
    assert (state.answered, state.final) == (False, False)


def test_a_daemon_that_left_its_session_ends_with_its_run(runner: LocalRunner) -> None:
    assert runner.run_experiment(config("daemon")).status == "completed"
    pid = int((runner.base_dir / "daemon").read_text())
    until(lambda: process_start(pid) == "")


def test_an_experiment_ends_with_its_supervisor(runner: LocalRunner) -> None:
    leader = begin(runner, "slow")
    supervisor = int(str(runner.poll(["run"])[0].job_id).partition(".")[0])
    os.kill(supervisor, signal.SIGKILL)
    until(lambda: process_start(leader) == "")
    assert runner.get_result("run").status == "failed"


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
    watch = Watch(runner, clock=StoppedClock(folder / "gate"))
    watch.add("run")
    assert [state.status for state in watch.next_ended()] == ["completed"]
