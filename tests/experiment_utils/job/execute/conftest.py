"""A submission whose job has begun, and the job side run on it."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tmgg.experiment_utils.files.atomic_file import write_json
from tmgg.experiment_utils.job.execute import execute_task
from tmgg.experiment_utils.run_folder.paths import RunPaths, SubmissionPaths
from tmgg.experiment_utils.run_folder.task import TaskInput, TaskOutput

LAB = """
import os, sys, time
from tmgg.experiment_utils.job.context import current_run

def good(config):
    return {"loss": config.x / 2, "nan": float("nan"), "inf": float("inf"), "checkpoint_path": "/c"}

def raising(config):
    raise ValueError("the loss is púrple \\n" + "x" * 10)

class Unspeakable(Exception):
    def __str__(self):
        raise RuntimeError("no words")

def diverging(config):
    from tmgg.errors import DivergedError

    raise DivergedError("training diverged at step 45: loss is nan", checkpoint_path="/best.ckpt")

def unspeakable(config):
    raise Unspeakable

def leaving(config):
    sys.exit(config.code)

def leaving_silently(config):
    import os, threading
    if os.fork() == 0:
        os._exit(0)
    threading.Thread(target=os._exit, args=(0,)).start()
    threading.Event().wait(60)

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

def forking(config):
    import signal, subprocess
    heeded = current_run().stop_requested()
    ends = set()
    for number in range(30):
        child = os.fork()
        if child == 0:
            time.sleep(2)
            os._exit(3)
        time.sleep(0.2 if number == 0 else 0)
        os.kill(child, signal.SIGTERM)
        ends.add(os.waitpid(child, 0)[1])
    show = "import signal; print(len(signal.pthread_sigmask(signal.SIG_BLOCK, [])))"
    blocked = subprocess.run([sys.executable, "-c", show], capture_output=True, text=True)
    return {"ended_by": sum(ends), "blocked": int(blocked.stdout),
            "stop": current_run().stop_requested()}

def helped(config):
    import signal
    class TimeOut(Exception): pass
    def late(*_): raise TimeOut
    before = signal.signal(signal.SIGALRM, late)
    signal.alarm(1)
    time.sleep(0.01)
    signal.alarm(0)
    signal.signal(signal.SIGALRM, before)
    time.sleep(20)
    return {"x": 1}

def splitting(config):
    child = os.fork()
    if child == 0:
        if config.end == "return":
            return {"x": 666}
        if config.end == "raise":
            raise ValueError("in the child")
        sys.exit(5)
    return {"code": os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])}

def several(config):
    from tmgg.experiment_utils.job.context import Worker
    run = current_run()
    run.report_workers([Worker(rank=0, node="a"), Worker(rank=1, node="b")])
    (node,) = run.nodes
    assert (node.cpus, node.gpus) == (run.resources["CPU"], run.resources["GPU"])
    return {"cpus": node.cpus, "gpus": node.gpus}
"""


@pytest.fixture
def paths(folder: Path) -> Iterator[SubmissionPaths]:
    """A second submission whose job has begun; `attempt` imports its `lab` into this process."""
    (folder / "lab.py").write_text(LAB)
    paths = RunPaths(folder / "runs", "run").submission(2)
    paths.folder.mkdir(parents=True)
    yield paths
    sys.modules.pop("lab", None)


def write_task(paths: SubmissionPaths, function: str, **config: Any) -> None:
    timeout_s = config.pop("timeout_s", None)
    target = function if ":" in function else f"lab:{function}"
    task = TaskInput(run_id="run", target=target, config=config, timeout_seconds=timeout_s)
    write_json(paths.run_paths.task, task.to_json())


def run_job(paths: SubmissionPaths, **variables: str) -> subprocess.CompletedProcess[str]:
    """As the job script does, in a process of its own."""
    code = "import sys; from tmgg.experiment_utils.job.execute import execute_task; "
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


def attempt(paths: SubmissionPaths) -> TaskOutput:
    """In this process: half a second less than in one of its own."""
    execute_task(str(paths.folder))
    return result(paths)
