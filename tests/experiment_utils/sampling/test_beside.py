"""The sampler is nothing that the experiment could notice in its own process."""

import time
from pathlib import Path

from tests.experiment_utils.sampling.jobs import LIMIT_S, read, run_in_job

# What a script may look at, and how it may use fork and wait.
LOOKS = """
import os, threading, time

def train(config):
    time.sleep(0.8)  # the sampler is at work
    pid = os.fork()
    if pid == 0:
        os._exit(7)
    found, status = os.waitpid(-1, 0)
    try:
        os.wait()
        children = 1
    except ChildProcessError:
        children = 0
    time.sleep(0.5)
    tasks = len(os.listdir("/proc/self/task"))
    return {"threads": threading.active_count(), "tasks": tasks, "children": children,
            "own": found == pid}
"""


def test_the_experiment_has_one_thread_and_no_child_of_ours(tmp_path: Path) -> None:
    paths = run_in_job(tmp_path, LOOKS)
    assert read(paths.result)["metrics"] == {"threads": 1, "tasks": 1, "children": 0, "own": 1}
    assert read(paths.usage)["samples"] >= 2


def test_an_experiment_that_closes_all_files_has_a_record_all_the_same(tmp_path: Path) -> None:
    lab = (
        "import os, time\n"
        "def train(config):\n os.closerange(3, 256)\n time.sleep(1.2)\n return {'x': 1}\n"
    )
    paths = run_in_job(tmp_path, lab)
    assert read(paths.result)["metrics"] == {"x": 1}
    wait_for_no_sampler(paths.folder)
    assert read(paths.usage)["samples"] >= 1


def test_no_sampler_outlives_its_run(tmp_path: Path) -> None:
    for seconds in (0, 1.2):
        lab = f"import time\ndef train(config):\n time.sleep({seconds})\n"
        wait_for_no_sampler(run_in_job(tmp_path / str(seconds), lab).folder)


def wait_for_no_sampler(folder: Path) -> None:
    deadline = time.monotonic() + LIMIT_S
    while commands := [line for line in command_lines() if str(folder) in line]:
        assert time.monotonic() < deadline, commands
        time.sleep(0.02)


def command_lines() -> list[str]:
    found = []
    for file in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            found.append(file.read_text().replace("\0", " "))
        except (OSError, UnicodeDecodeError):
            continue
    return found
