"""Many short local runs leave nothing behind but their records."""

import contextlib
import os
import time
from collections import Counter
from pathlib import Path

import pytest

from tmgg.experiment_utils.cloud import LocalRunner
from tmgg.experiment_utils.files.process_names import process_start

# Folders of records beside those of the runs.
KEPT = {".ended", ".sweeps", ".batches"}
LAB = """
import subprocess

def run(config):
    # A daemon, as libraries leave them.
    subprocess.Popen(["sleep", "300"], start_new_session=True)
    if config.x % 5 == 4:
        raise ValueError("every fifth fails")
    return {"square": config.x ** 2}
"""


@pytest.mark.parametrize(
    "count", [20, pytest.param(200, marks=[pytest.mark.long, pytest.mark.timeout(900)])]
)
def test_many_runs_leave_no_process_no_open_file_and_no_temporary_file(
    folder: Path, monkeypatch: pytest.MonkeyPatch, count: int
) -> None:
    temporary = folder / "tmp"
    temporary.mkdir()
    monkeypatch.setenv("TMPDIR", str(temporary))
    monkeypatch.setenv("TMGG_TEST_MARK", str(folder))
    (folder / "lab.py").write_text(LAB)
    runner = LocalRunner()
    sweep = [{"experiment": {"_target_": "lab:run"}, "x": x} for x in range(count)]
    before, dead_before = open_files(), zombies()

    results = runner.run_sweep(sweep, parallelism=2)

    assert [result.status for result in results].count("completed") == count * 4 // 5
    assert [result.metrics for result in results[:4]] == [{"square": x**2} for x in range(4)]
    until_none(folder, dead_before)
    # What else this process has open may be closed meanwhile.
    assert not open_files() - before
    assert list(temporary.iterdir()) == []
    left = {path.name for path in runner.output_dir.rglob(".*") if path.name not in KEPT}
    left |= {path.name for path in runner.output_dir.rglob("*tmp*")}
    assert left == set()


def open_files() -> Counter[str]:
    """What is open, and how often."""
    found: Counter[str] = Counter()
    for entry in Path("/proc/self/fd").iterdir():
        with contextlib.suppress(FileNotFoundError):
            found[str(entry.readlink())] += 1
    return found


def until_none(folder: Path, dead_before: set[str]) -> None:
    """No process of the runs lives, nor is a dead one left to be waited for."""
    deadline = time.monotonic() + 60
    while left := [*processes_with(str(folder)), *(zombies() - dead_before)]:
        assert time.monotonic() < deadline, left
        time.sleep(0.05)


def processes_with(mark: str) -> list[str]:
    """Pids, but this process's, whose environment has the mark."""
    found = []
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit() or int(entry.name) == os.getpid():
            continue
        try:
            environment = (entry / "environ").read_bytes()
        except OSError:
            continue
        if f"TMGG_TEST_MARK={mark}".encode() in environment.split(b"\0"):
            found.append(entry.name)
    return found


def zombies() -> set[str]:
    children = Path(f"/proc/self/task/{os.getpid()}/children").read_text().split()
    return {pid for pid in children if process_start(int(pid)) == ""}
