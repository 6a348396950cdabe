"""What a run uses is sampled in its job, and is what it used on purpose."""

import os
import signal
from pathlib import Path

import pytest

from tests.experiment_utils.sampling.jobs import read, run_in_job
from tmgg.experiment_utils.run_folder.submission_files import SubmissionFiles
from tmgg.experiment_utils.sampling.reading import read_use

SHARE = 0.05
"""By how much the record may differ from what the program did."""
MEGABYTE = 1 << 20
# Each process says itself what it uses: its CPU time, and its memory before it takes 200 MB more.
PROGRAM = """
import mmap, os, resource, subprocess, sys, time

CHILD = "import lab; print(*lab.use_both())"

def resident_bytes():
    return int(open("/proc/self/statm").read().split()[1]) * resource.getpagesize()

def use_both():
    before = resident_bytes()
    block = mmap.mmap(-1, 200 << 20)
    for offset in range(0, len(block), 4096):
        block[offset] = 1
    began = time.process_time()
    while time.process_time() < began + 1:
        pass
    time.sleep(1.5)
    return before + len(block), time.process_time()

def train(config):
    child = subprocess.Popen([sys.executable, "-c", CHILD], stdout=subprocess.PIPE, text=True,
                             start_new_session=True)
    began = time.process_time()
    memory, cpu = use_both()
    child_memory, child_cpu = map(float, child.communicate()[0].split())
    return {"memory": memory + child_memory, "cpu": cpu - began + child_cpu}
"""


def test_cpu_time_and_memory_of_all_processes_are_what_the_program_used(tmp_path: Path) -> None:
    paths = run_in_job(tmp_path, PROGRAM)

    used, did = read(paths.usage), read(paths.result)["metrics"]
    # The start and the end of a process take a tenth of a second, on a busy machine more.
    assert used["cpu_seconds"] == pytest.approx(did["cpu"], rel=SHARE, abs=0.3)
    assert used["memory_peak_bytes"] == pytest.approx(did["memory"], rel=SHARE)
    assert used["memory_mean_bytes"] < used["memory_peak_bytes"]
    assert used["cpu_cores_peak"] > 0.1  # on a busy machine it has a part of a core


def test_a_peak_between_two_samples_is_seen(tmp_path: Path) -> None:
    lab = "import time\ndef train(config):\n x = b'x' * (300 << 20)\n del x\n time.sleep(1.2)\n"
    paths = run_in_job(tmp_path, lab)
    assert read(paths.usage)["memory_peak_bytes"] >= 300 * MEGABYTE


def test_a_run_of_less_than_a_second_leaves_no_record(tmp_path: Path) -> None:
    paths = run_in_job(tmp_path, "def train(config):\n return {'x': 1}\n")
    assert read(paths.result)["status"] == "completed"
    assert not paths.usage.exists()


def test_a_run_that_is_killed_leaves_what_was_seen_last(tmp_path: Path) -> None:
    lab = (
        "import os, time\n"
        "def train(config):\n"
        " x = bytearray(100 << 20)\n"
        f" while not os.path.exists({str(tmp_path / 'runs/run/1/usage.json')!r}):\n"
        "  time.sleep(0.05)\n"
        f" os.kill(os.getpid(), {int(signal.SIGKILL)})\n"
    )
    paths = run_in_job(tmp_path, lab)

    assert not paths.result.exists()
    use = read_use(SubmissionFiles(paths))
    assert use is not None
    assert use.memory_peak_bytes > 100 * MEGABYTE


def test_a_folder_that_cannot_be_written_is_not_the_runs_trouble(tmp_path: Path) -> None:
    (tmp_path / "runs/run/1").mkdir(parents=True)
    lab = (
        "import os, time\n"
        "def train(config):\n"
        f" os.mkdir({str(tmp_path / 'runs/run/1/usage.json')!r})\n"
        " time.sleep(1.2)\n return {'x': 1}\n"
    )
    os.rmdir(tmp_path / "runs/run/1")  # noqa: PTH106
    paths = run_in_job(tmp_path, lab)
    assert read(paths.result)["status"] == "completed"
