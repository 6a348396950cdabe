"""A script that ends, although calls of it are not submitted yet."""

import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from tmgg.experiment_utils.cloud import LocalRunner
from tmgg.experiment_utils.run_folder.paths import SweepPaths
from tmgg.experiment_utils.run_folder.sweeps import load_sweep, sweeps_in

LIMIT_S = 120
LONG_S = 600
MAP = """
import math, os, sys, time
from tmgg.experiment_utils.cloud import LocalRunner

if __name__ == "__main__":
    futures = LocalRunner().map({function}, {items}, parallelism=1)
"""
SHORT = MAP.format(function="math.sqrt", items=range(3))
LONG = MAP.format(function="time.sleep", items=[LONG_S] * 3)


def ended(folder: Path, text: str) -> "subprocess.CompletedProcess[str]":
    (folder / "script.py").write_text(text)
    return python(folder, ["script.py"])


def python(
    folder: Path, arguments: Sequence[str], given: str = ""
) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, *arguments],
        cwd=folder,
        input=given,
        capture_output=True,
        text=True,
        timeout=LIMIT_S,
    )


def run_ids() -> list[str]:
    folder = LocalRunner().output_dir
    (sweep_id,) = sweeps_in(folder)
    record = load_sweep(SweepPaths(folder, sweep_id))
    assert record is not None
    return [run.run_id for run in record.runs]


@contextmanager
def first_ended() -> Iterator[list[str]]:
    """The runs; at the end, the only one that runs is ended."""
    runs = run_ids()
    try:
        yield runs
    finally:
        LocalRunner().cancel(runs[0])


def left_words(first: str) -> str:
    sweep_id = first.rpartition("-")[0]
    return (
        f"2 of 3 calls of sweep {sweep_id} were not submitted, because this process ends. "
        f"tmgg-jobs retry {sweep_id} submits them"
    )


def test_a_script_that_comes_to_its_end_submits_the_calls_that_wait(folder: Path) -> None:
    script = ended(folder, SHORT)
    assert script.returncode == 0
    assert "calls of sweep" in script.stderr
    assert "are not submitted yet; this process goes on until they are" in script.stderr
    assert "were not submitted" not in script.stderr
    values = [LocalRunner().get_result(run_id).metrics["value"] for run_id in run_ids()]
    assert values == [0, 1, 2**0.5]


def test_a_script_that_ends_by_sys_exit_submits_them_as_well(folder: Path) -> None:
    script = ended(folder, f"{SHORT}    sys.exit(3)\n")
    assert script.returncode == 3
    assert [LocalRunner().get_result(run_id).status for run_id in run_ids()] == ["completed"] * 3


def test_a_script_that_fails_ends_at_once_and_says_how_many_calls_are_left(folder: Path) -> None:
    script = ended(folder, f"{LONG}    raise ValueError('oh')\n")
    with first_ended() as (first, *left):
        assert script.returncode == 1
        assert left_words(first) in script.stderr
        states = LocalRunner().poll(left)
        assert [state.failure and state.failure.kind for state in states] == ["submission"] * 2


def test_ctrl_c_ends_the_wait_for_their_submission(folder: Path) -> None:
    (folder / "script.py").write_text(LONG)
    script = subprocess.Popen(
        [sys.executable, "script.py"], cwd=folder, stderr=subprocess.PIPE, text=True
    )
    with script:
        assert script.stderr is not None
        assert "Ctrl-C ends it" in script.stderr.readline()
        script.send_signal(signal.SIGINT)
        _nothing, said = script.communicate(timeout=LIMIT_S)
    with first_ended() as (first, *_left):
        assert left_words(first) in said


def test_an_interactive_session_ends_at_once_and_says_how_many_calls_are_left(
    folder: Path,
) -> None:
    session = python(folder, ["-i", "-q"], given=f"{LONG}\nexit()\n")
    with first_ended() as (first, *_left):
        assert left_words(first) in session.stderr


def test_calls_that_were_cancelled_keep_no_script(folder: Path) -> None:
    script = ended(folder, f"{LONG}    [future.cancel() for future in reversed(futures)]\n")
    assert script.returncode == 0
    assert script.stderr == ""


def test_a_forked_process_that_ends_says_nothing_of_its_parents_calls(folder: Path) -> None:
    script = ended(folder, f"{SHORT}    if os.fork() == 0: sys.exit()\n    os.wait()\n")
    assert "were not submitted" not in script.stderr
    assert script.stderr.count("are not submitted yet") <= 1
    assert [LocalRunner().get_result(run_id).status for run_id in run_ids()] == ["completed"] * 3
