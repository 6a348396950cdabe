"""The processes of a run: who ends them, who outlives whom, and that none is left behind."""

import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from tests.experiment_utils.cloud.local.conftest import begin, config, kind, paths_of, until
from tmgg.errors import BackendError, SubmissionError
from tmgg.experiment_utils.cloud import LocalRunner
from tmgg.experiment_utils.cloud.local.runner import LocalBackend
from tmgg.experiment_utils.cloud.runs import TaskRequest
from tmgg.experiment_utils.files.atomic_file import write_json
from tmgg.experiment_utils.files.leases import LEASE_S
from tmgg.experiment_utils.files.process_names import process_name, process_scope, process_start
from tmgg.experiment_utils.run_folder.ownership import claim, is_forbidden
from tmgg.experiment_utils.run_folder.paths import SubmissionPaths


def group_exists(leader: int) -> bool:
    try:
        os.killpg(leader, 0)
    except ProcessLookupError:
        return False
    return True


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


def test_a_run_is_submitted_though_this_process_can_start_no_thread(
    runner: LocalRunner, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(_thread: threading.Thread) -> None:
        raise RuntimeError("can't create new thread at interpreter shutdown")

    with monkeypatch.context() as patch:
        patch.setattr(threading.Thread, "start", refuse)
        runner.spawn_experiment(config("good"), run_id="run")
    assert runner.get_result("run").status == "completed"


def test_an_experiment_that_will_not_end_is_killed(
    runner: LocalRunner, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(LocalBackend, "start", lambda *_given: "")
    runner.spawn_experiment(config("deaf"), run_id="run")
    code = "import sys; from pathlib import Path; "
    code += "from tmgg.experiment_utils.cloud import local_supervisor as supervisor; "
    code += "from tmgg.experiment_utils.supervisor.run_end import Limits; "
    code += "sys.exit(supervisor.main(Path(sys.argv[1]), limits=Limits(kill_after_s=0.2)))"
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
        patch.setattr(LocalBackend, "start", lambda *_given: "")
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
    argv = [sys.executable, "-m", "tmgg.experiment_utils.supervisor.supervise", str(paths.folder)]
    return subprocess.run(argv, capture_output=True, text=True, timeout=150, check=False)


def test_a_supervisor_that_finds_a_cancellation_starts_nothing(
    runner: LocalRunner, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(LocalBackend, "start", lambda *_given: "")
    runner.spawn_experiment(config("slow"), run_id="run")
    paths_of(runner).cancel.write_text("{}")
    assert supervise(paths_of(runner)).returncode == 0
    assert json.loads(paths_of(runner).ended.read_text())["stage"] == "cancelled"
    assert kind(runner.get_result("run")) == "cancelled"


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
from tmgg.experiment_utils.cloud.local import runner as local
if sys.argv[1] == "before":
    local.LocalBackend.start = lambda *_given: os.kill(os.getpid(), signal.SIGKILL)
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
    renewed_at = time.time() - seconds
    paths.intent.write_text(json.dumps(intent | {"created_at": renewed_at}))
    os.utime(paths.intent, (renewed_at, renewed_at))


def test_a_submitter_that_lives_on_without_starting_anything_does_not_keep_the_run_open(
    runner: LocalRunner, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(LocalBackend, "start", lambda *_given: "")
        runner.spawn_experiment(config("good"), run_id="run")
    make_older(paths_of(runner), LEASE_S - 2)
    assert runner.get_status("run") == "pending"
    make_older(paths_of(runner), LEASE_S + 1)
    assert kind(runner.get_result("run")) == "submission"


def test_a_submission_begun_by_one_supervisor_is_not_begun_by_another(
    runner: LocalRunner, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(LocalBackend, "start", lambda *_given: "")
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


def test_a_machine_that_is_not_this_one_says_nothing_about_its_processes(
    runner: LocalRunner,
) -> None:
    begin(runner, "gated")
    paths = paths_of(runner)
    paths.owner.write_text("1.2@another\n")
    (state,) = runner.poll(["run"])
    assert (state.answered, state.final, state.is_elsewhere) == (False, False, True)
    assert "a process of another, and this machine is" in state.note


def test_a_run_of_another_machine_is_neither_cancelled_nor_retried_here(
    runner: LocalRunner,
) -> None:
    begin(runner, "gated")
    paths = paths_of(runner)
    paths.owner.write_text("1.2@another\n")
    with pytest.raises(BackendError, match=r"nothing was done: .* Log in to another for it"):
        runner.cancel("run")
    with pytest.raises(SubmissionError, match="Log in to another for it"):
        runner.retry("run")
    assert not paths.cancel.exists()
    assert paths.run_paths.submission_numbers() == [1]


def not_found_here(runner: LocalRunner, *, boot: str = "", namespace: str = "") -> None:
    """A run whose process is not found; it was started in this scope, but for what is given."""
    begin(runner, "gated")
    paths = paths_of(runner)
    job_id = f"{2**22 + 1}.1@{socket.gethostname()}"
    paths.owner.write_text(f"{job_id}\n")
    write_json(paths.job, json.loads(paths.job.read_text()) | {"job_id": job_id})
    own_boot, own_namespace, user = process_scope().split()
    scope = f"{boot or own_boot} {namespace or own_namespace} {user}"
    write_json(paths.intent, json.loads(paths.intent.read_text()) | {"scope": scope})
    write_json(paths.missing, {"version": 1, "since": 1.0})


def test_a_process_of_another_namespace_of_this_machine_may_run_there(
    runner: LocalRunner,
) -> None:
    not_found_here(runner, namespace="pid:[1]")
    (state,) = runner.poll(["run"])
    assert (state.answered, state.final, state.is_elsewhere) == (False, False, True)
    assert "another PID namespace of this machine" in state.note
    with pytest.raises(BackendError, match=r"nothing was done: .* Look from there"):
        runner.cancel("run")


@pytest.mark.parametrize("boot", ["", "before-the-reboot"])
def test_a_process_that_is_not_found_in_its_own_scope_or_after_a_reboot_has_ended(
    runner: LocalRunner, boot: str
) -> None:
    not_found_here(runner, boot=boot, namespace="pid:[1]" if boot else "")
    (state,) = runner.poll(["run"])
    assert state.failure is not None
    assert state.failure.kind == "lost"


def test_a_run_that_ended_on_another_machine_is_judged_and_retried_here(
    runner: LocalRunner,
) -> None:
    first = runner.run_experiment(config("crash", signal=9))
    paths = paths_of(runner, first.run_id)
    paths.verdict.unlink()
    paths.owner.write_text(f"{paths.owner.read_text().partition('@')[0]}@another\n")
    other = LocalRunner(runner.config)
    assert kind(other.get_result(first.run_id)) == kind(first)
    assert kind(other.get_result(other.retry(first.run_id))) == kind(first)


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
