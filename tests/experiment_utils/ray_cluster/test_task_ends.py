"""Which tasks have ended, as srun writes it into the job's log."""

from pathlib import Path

import pytest

from tmgg.experiment_utils.ray_cluster.task_ends import (
    StepLog,
    TaskEnd,
    parse_step_log,
    parse_task_ends,
)


@pytest.mark.parametrize(
    ("line", "ends"),
    [
        ("srun: error: node2: task 1: Exited with exit code 75",
         [TaskEnd(1, "node2", "Exited with exit code 75")]),
        ("srun: error: node2: tasks 2-3: Exited with exit code 1",
         [TaskEnd(rank, "node2", "Exited with exit code 1") for rank in (2, 3)]),
        ("srun: error: node[2,4-5]: tasks 1,3-4: Killed",
         [TaskEnd(rank, "node[2,4-5]", "Killed") for rank in (1, 3, 4)]),
        ("srun: error: node2: task 1: Segmentation fault (core dumped)",
         [TaskEnd(1, "node2", "Segmentation fault (core dumped)")]),
        ("srun: error: Node failure on node2", []),
        ("srun: Terminating StepId=2.0", []),
        ("slurmstepd: error: execve(): /tmp/python: No such file or directory", []),
        ("said: srun: error: node2: task 1: Killed", []),
    ],
)  # fmt: skip
def test_lines_of_srun(line: str, ends: list[TaskEnd]) -> None:
    assert parse_task_ends(f"before\n{line}\nafter\n") == ends


@pytest.mark.parametrize(("how", "itself"), [("Exited with exit code 1", True), ("Killed", False)])
def test_a_task_that_was_killed_did_not_end_by_itself(how: str, itself: bool) -> None:
    assert TaskEnd(1, "node2", how).has_exited == itself


def test_what_was_in_the_log_before_the_step_is_not_read(tmp_path: Path) -> None:
    path = tmp_path / "a log"
    path.write_text("an earlier start, or srun in a setup command\n")
    log = parse_step_log(f"{path.stat().st_size}:{path}")
    assert log == StepLog(path, path.stat().st_size)
    assert log.read() == ""
    with path.open("a") as stream:
        stream.write("the step\n")
    assert log.read() == "the step\n"


@pytest.mark.parametrize("text", [":", "0:", ":/log", "0:pipe:[123]", ""])
def test_a_stderr_that_is_no_file_is_no_log(text: str) -> None:
    assert parse_step_log(text) is None


def test_a_log_that_cannot_be_read_is_empty(tmp_path: Path) -> None:
    assert StepLog(tmp_path / "gone", 0).read() == ""
