"""What runs are called on a command line: the command means them, and no others."""

from collections.abc import Sequence
from pathlib import Path

import pytest

from tmgg.console.run_names import MOST_NAMES, WHOLE_SWEEP, command_for, names_of_runs
from tmgg.experiment_utils.run_folder.paths import RunPaths, SweepPaths
from tmgg.experiment_utils.run_folder.sweeps import SweepRecord, SweepRun, save_sweep

OLD, NEW = "20261123-091502-aaaaaaaa", "20261124-091502-bbbbbbbb"


def note_sweep(folder: Path, sweep_id: str, run_ids: Sequence[str]) -> list[RunPaths]:
    """A sweep on record, with runs that are on record."""
    record = SweepRecord(
        sweep_id=sweep_id,
        backend="local",
        mode="separate",
        parallelism=1,
        policy={},
        metric="accuracy",
        metric_mode="max",
        runs=[SweepRun(run_id=run_id, key=run_id) for run_id in run_ids],
    )
    save_sweep(SweepPaths(folder, sweep_id), record)
    runs = [RunPaths(folder, run_id) for run_id in run_ids]
    for run in runs:
        run.folder.mkdir(exist_ok=True)
        run.run.touch()
    return runs


@pytest.fixture
def old(tmp_path: Path) -> list[RunPaths]:
    return note_sweep(tmp_path, OLD, [f"{OLD}-{number}" for number in range(100)])


def test_all_runs_of_a_sweep_are_its_id(old: list[RunPaths]) -> None:
    assert command_for("cancel", old) == f"cancel {OLD}"


def test_a_part_of_a_sweep_is_named_run_by_run(old: list[RunPaths]) -> None:
    assert command_for("cancel", old[:2]) == f"cancel {OLD}-0 {OLD}-1"


def test_those_that_have_not_ended_of_all_that_were_asked_for_are_the_sweep(
    old: list[RunPaths],
) -> None:
    assert command_for("wait", old[:30], asked=old) == f"wait {OLD}"


def test_runs_that_were_removed_are_not_missed(old: list[RunPaths]) -> None:
    for run in old[2:]:
        run.run.unlink()
    assert command_for("wait", old[:2]) == f"wait {OLD}"


def test_many_runs_of_a_sweep_are_the_sweep_and_the_line_says_so(old: list[RunPaths]) -> None:
    some = old[: MOST_NAMES + 1]
    assert command_for("cancel", some) == f"cancel {OLD}    # {WHOLE_SWEEP}"
    said = command_for("wait", some, remark="finds out")
    assert said == f"wait {OLD}    # finds out; {WHOLE_SWEEP}"


def test_a_resumed_part_of_an_earlier_sweep_is_its_own_sweep(
    old: list[RunPaths], tmp_path: Path
) -> None:
    resumed = note_sweep(tmp_path, NEW, [f"{OLD}-0", f"{OLD}-1", f"{NEW}-2"])
    assert command_for("cancel", resumed) == f"cancel {NEW}"
    assert command_for("cancel", resumed[1:]) == f"cancel {OLD}-1 {NEW}-2"


def test_a_sweep_whose_runs_another_has_too_is_not_named_beside_it(tmp_path: Path) -> None:
    first = note_sweep(tmp_path, OLD, [f"{OLD}-0", f"{OLD}-1"])
    more = [f"{NEW}-2", f"{NEW}-3"]
    both = note_sweep(tmp_path, NEW, [*(run.run_id for run in first), *more])
    assert command_for("wait", both) == f"wait {NEW}"


def test_a_sweep_that_is_not_on_record_is_named_run_by_run(tmp_path: Path) -> None:
    runs = [RunPaths(tmp_path, f"{OLD}-{number}") for number in range(2)]
    assert command_for("wait", runs) == f"wait {OLD}-0 {OLD}-1"


def test_very_many_runs_of_no_sweep_are_shortened(tmp_path: Path) -> None:
    runs = [RunPaths(tmp_path, f"run-{number}") for number in range(50)]
    assert command_for("wait", runs).endswith(f"run-{MOST_NAMES - 1} ...")


def test_runs_of_one_id_are_named_by_where_they_are(tmp_path: Path) -> None:
    one, two, other = (RunPaths(tmp_path / name, "x") for name in ("one", "two", "one"))
    third = RunPaths(tmp_path / "one", "y")
    assert names_of_runs([one, two, third]) == {
        one: str(one.folder),
        two: str(two.folder),
        third: "y",
    }
    assert names_of_runs([one, other]) == {one: "x"}
