"""Two ranks and their supervisors on this machine; Slurm's part is pretended."""

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from tmgg.experiment_utils.cloud.judging.diagnosis import diagnose_output
from tmgg.experiment_utils.files.atomic_file import write_json
from tmgg.experiment_utils.run_folder.evidence_token import carries_token
from tmgg.experiment_utils.run_folder.failures import HINTS
from tmgg.experiment_utils.run_folder.paths import RunPaths, SubmissionPaths
from tmgg.experiment_utils.run_folder.registry import new_intent
from tmgg.experiment_utils.run_folder.task import TaskInput, TaskOutput

LIMIT_S = 60
# A rank that fails says so at once; the other waits for it, as in a collective operation.
LAB = """
import os, pathlib, signal, sys, threading, time
import tmgg.errors

def train(config):
    rank = int(os.environ["RANK"])
    print("rank", rank, "prints", flush=True)
    pathlib.Path(f"here.{rank}").touch()
    while len(list(pathlib.Path().glob("here.*"))) < 2:
        time.sleep(0.01)
    if config.how == "options":
        return {"optimize": sys.flags.optimize, "is_strict": sys.warnoptions == ["error"]}
    if config.how in ("linger", "save"):
        if rank == config.who:
            threading.Thread(target=time.sleep, args=(600,)).start()
        if config.how == "save":
            raise tmgg.errors.StoppedEarlyError("saved")
        return {"rank": rank}
    if rank != config.who:
        if config.how == "nothing":
            return {"rank": rank}
        time.sleep(600)
    if config.how == "nothing":
        return {"model": object()} if rank else {"rank": rank}
    if config.how == "hang":
        threading.Thread(target=time.sleep, args=(600,)).start()
    if config.how in ("raise", "hang"):
        raise ValueError("the loss is purple")
    if config.how == "kill":
        os.kill(os.getpid(), signal.SIGKILL)
    if config.how == "leave":
        os._exit(0)
    if config.how == "exit":
        sys.exit(3)
    if config.how == "supervisor":
        os.kill(os.getppid(), signal.SIGKILL)
        time.sleep(600)
"""


SUPERVISOR = ("-m", "tmgg.experiment_utils.ranks")
IMPATIENT = (
    "-c",
    "import tmgg.experiment_utils.ranks.returned as returned; returned.EXIT_GRACE_S = 0.2\n"
    "from tmgg.experiment_utils.ranks.__main__ import main; raise SystemExit(main())",
)


@dataclass
class Job:
    """What the job script and srun would start."""

    paths: SubmissionPaths
    environment: dict[str, str]
    tasks: list[subprocess.Popen[bytes]]

    def start(
        self,
        *options: str,
        nodes: int = 1,
        supervisor: Sequence[str] = SUPERVISOR,
        ranks: Sequence[int] = (0, 1),
    ) -> None:
        for rank in ranks:
            step = {
                "SLURM_PROCID": str(rank), "SLURM_STEP_NUM_TASKS": "2",
                "SLURM_LOCALID": str(0 if nodes == 2 else rank),
                "SLURM_NODEID": str(rank if nodes == 2 else 0),
                "SLURMD_NODENAME": f"node{rank + 1 if nodes == 2 else 1}",
            }  # fmt: skip
            argv = [
                sys.executable, *supervisor,
                str(self.paths.folder), f"--tasks-per-node={2 // nodes}", "--ports=40000-49999",
                *options,
            ]  # fmt: skip
            with (self.paths.folder / f"said.{rank}").open("wb") as said:
                task = subprocess.Popen(
                    argv, env={**self.environment, **step}, stdout=said, stderr=said
                )
            self.tasks.append(task)

    def end(self) -> int:
        """The exit code of the first task."""
        return self.tasks[0].wait(LIMIT_S)

    def said(self, rank: int = 0) -> str:
        return (self.paths.folder / f"said.{rank}").read_text()

    def wait_for_words(self, words: str) -> None:
        deadline = time.monotonic() + LIMIT_S
        while words not in self.said():
            assert time.monotonic() < deadline, self.said()
            time.sleep(0.05)

    def wait_for_returns(self) -> None:
        deadline = time.monotonic() + LIMIT_S
        while len(list(self.paths.ranks.glob("*/result.json"))) < 2:
            assert time.monotonic() < deadline, self.said()
            time.sleep(0.05)

    def result(self) -> TaskOutput:
        found = json.loads(self.paths.result.read_text())
        assert carries_token(self.paths, found["token"])
        return TaskOutput.from_json(found, what="result")


@pytest.fixture
def job(folder: Path) -> Iterator[Job]:
    (folder / "lab.py").write_text(LAB)
    paths = RunPaths(folder / "runs", "run").submission(1)
    paths.folder.mkdir(parents=True)
    write_json(paths.intent, replace(new_intent(), evidence_has_token=True).to_json())
    paths.ray_token.write_text("secret")
    environment = {
        **os.environ, "SLURM_JOB_ID": "7", "TMGG_JOB_ID": "7", "TMGG_RESTART": "0",
        "SLURM_LAUNCH_NODE_IPADDR": "127.0.0.1", "SLURM_CPUS_PER_TASK": "1",
        "PYTHONPATH": str(folder),
    }  # fmt: skip
    job = Job(paths, environment, [])
    yield job
    for task in job.tasks:
        with contextlib.suppress(ProcessLookupError):
            task.kill()
        task.wait()


def pretend(folder: Path, name: str, body: str) -> None:
    folder.mkdir(exist_ok=True)
    (folder / name).write_text(f"#!/bin/sh\n{body}\n")
    (folder / name).chmod(0o755)


def ask(job: Job, how: str, *, who: int = 1) -> None:
    config: dict[str, Any] = {"how": how, "who": who}
    task = TaskInput(run_id="run", target="lab:train", config=config, timeout_seconds=None)
    write_json(job.paths.run_paths.task, task.to_json())


def test_ranks_have_the_options_of_the_launching_python(job: Job) -> None:
    ask(job, "options")
    job.start("--python-option=-O", "--python-option=-Werror")
    assert job.end() == 0, job.said()
    assert job.result().metrics == {"optimize": 1, "is_strict": True}


def test_rank_0_speaks_for_all_and_each_other_has_a_log(job: Job) -> None:
    ask(job, "nothing")
    job.start()
    assert job.end() == 0, job.said()
    assert job.result().metrics == {"rank": 0}
    assert "rank 0 prints" in job.said()
    assert "rank 1 prints" not in job.said()
    assert "rank 1 prints" in (job.paths.ranks / "1" / "log").read_text()
    assert job.tasks[1].wait(LIMIT_S) == 0


@pytest.mark.parametrize(
    ("who", "how", "words"),
    [
        (0, "raise", "ValueError: the loss is purple"),
        (1, "hang", "ValueError: the loss is purple"),
        (0, "kill", "was killed by SIGKILL"),
        (1, "kill", "was killed by SIGKILL"),
        (1, "leave", "os._exit(0)"),
        (1, "exit", "sys.exit(3)"),
    ],
)
def test_a_rank_that_fails_is_the_runs_end_in_its_own_words(
    job: Job, how: str, words: str, who: int
) -> None:
    ask(job, how, who=who)
    job.start()
    assert job.end() == 1, job.said()
    result = job.result()
    failure = diagnose_output(result)
    assert (result.rank, result.status, failure.kind) == (who, "failed", "user_error")
    assert words in failure.message
    assert f"rank {who} of 2 on " in failure.message
    assert ("--rank 1" in failure.message) == (who == 1)
    job.tasks[1].wait(LIMIT_S)  # nobody is left to wait for ever


def test_a_supervisor_that_is_killed_is_reported_as_such(job: Job) -> None:
    ask(job, "supervisor")
    job.start("--max-restarts=3")
    assert job.end() == 1, job.said()
    failure = diagnose_output(job.result())
    assert failure.kind == "node_fail"
    assert "rank 1 of 2 on node1 is gone" in failure.message


@pytest.mark.parametrize("answers", [True, False])
def test_a_node_that_does_not_answer_is_left_to_slurm_which_begins_the_job_again(
    job: Job, folder: Path, answers: bool
) -> None:
    commands = folder / "bin"
    pretend(commands, "srun", f"exit {0 if answers else 1}")
    pretend(commands, "scontrol", "echo 'SlurmdTimeout = 60 sec'; echo 'KillWait = 30 sec'")
    job.environment["PATH"] = f"{commands}:{job.environment['PATH']}"
    ask(job, "supervisor")
    job.start("--max-restarts=3", nodes=2)
    if not answers:
        job.wait_for_words("node2 does not answer; Slurm has 90 s")
        job.tasks[0].send_signal(signal.SIGTERM)  # as Slurm ends the job
        assert job.end() == 143
        assert not job.paths.result.exists()
    else:
        assert job.end() == 1, job.said()
        assert diagnose_output(job.result()).kind == "node_fail"


def srun_writes(log: Path, *lines: str) -> None:
    with log.open("a") as stream:
        stream.writelines(f"{line}\n" for line in lines)


@pytest.mark.parametrize(
    ("how", "kind"), [("Exited with exit code 75", "environment"), ("Killed", "node_fail")]
)
def test_a_rank_that_ended_before_it_connected_ends_the_run_at_once_in_its_own_words(
    job: Job, folder: Path, how: str, kind: str
) -> None:
    log = folder / "run.err"
    srun_writes(log, "srun: error: node1: task 0: Exited with exit code 1")  # of a setup command
    begin = log.stat().st_size
    words = "tmgg: node2: rank 1: cannot read ray_token: No such file or directory"
    srun_writes(log, words, f"srun: error: node2: task 1: {how}")
    ask(job, "nothing")
    job.start(f"--step-log={begin}:{log}", "--max-restarts=3", nodes=2, ranks=[0])
    assert job.end() == 1, job.said()
    failure = diagnose_output(job.result())
    assert failure.kind == kind
    first, *rest = failure.message.splitlines()
    assert first == (
        f"rank 1 of 2 on node2 did not begin: its supervisor ended before it could connect ({how})."
    )
    assert words in rest


def test_what_srun_wrote_before_the_step_is_no_end_and_a_rank_that_never_connects_is_late(
    job: Job, folder: Path
) -> None:
    log = folder / "run.err"
    srun_writes(log, "srun: error: node2: task 1: Exited with exit code 1")
    ask(job, "nothing")
    options = [f"--step-log={log.stat().st_size}:{log}", "--start-timeout=2"]
    job.start(*options, nodes=2, ranks=[0])
    assert job.end() == 1, job.said()
    failure = diagnose_output(job.result())
    assert failure.kind == "node_fail"
    assert "did not begin: its supervisor did not connect within 2 s" in failure.message
    assert failure.hint == HINTS["late_node"]


@pytest.mark.parametrize("who", [0, 1])
def test_a_process_that_does_not_end_once_all_have_returned_is_killed_and_the_result_counts(
    job: Job, who: int
) -> None:
    ask(job, "linger", who=who)
    job.start(supervisor=IMPATIENT)
    assert job.end() == 0, job.said()
    assert (job.result().status, job.result().metrics) == ("completed", {"rank": 0})
    assert f"rank {who} returned, and its process has not ended" in job.said()
    assert job.tasks[1].wait(LIMIT_S) == 0


@pytest.mark.parametrize(
    ("how", "status", "code"), [("linger", "completed", 0), ("save", "stopped", 85)]
)
def test_the_end_of_a_job_whose_ranks_have_returned_loses_no_result(
    job: Job, folder: Path, how: str, status: str, code: int
) -> None:
    pretend(folder / "bin", "scontrol", "echo 'KillWait = 2 sec'")
    job.environment["PATH"] = f"{folder / 'bin'}:{job.environment['PATH']}"
    ask(job, how)
    job.start()
    job.wait_for_returns()
    for task in job.tasks:
        task.send_signal(signal.SIGTERM)  # as Slurm at the time limit
    assert job.end() == code, job.said()
    assert job.result().status == status
