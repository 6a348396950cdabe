"""What earlier runs of a name left is kept where a new run of that name does not find it."""

from pathlib import Path

from tmgg.experiment_utils.run_folder.paths import RunPaths
from tmgg.experiment_utils.run_folder.remains import (
    EARLIER_FOLDER,
    earlier_folder,
    remains_of,
    set_aside_remains,
)


def test_what_is_left_of_a_run_lies_beside_its_folder(tmp_path: Path) -> None:
    run, other = RunPaths(tmp_path, "r"), RunPaths(tmp_path, "other")
    run.ended_folder.mkdir()
    left = [run.submission(1).ended, run.submission(2).ended, run.stdout, run.stderr]
    for path in (*left, other.stdout):
        path.touch()

    assert remains_of(run) == left
    set_aside_remains([run])

    assert remains_of(run) == []
    assert other.stdout.exists()
    (kept,) = (tmp_path / EARLIER_FOLDER).iterdir()
    assert sorted(path.name for path in kept.iterdir()) == sorted(path.name for path in left)


def test_each_time_there_is_a_place_of_its_own(tmp_path: Path) -> None:
    run = RunPaths(tmp_path, "r")
    places = {earlier_folder(run) for _time in range(5)}
    assert len(places) == 5
    assert {place.parent for place in places} == {tmp_path / EARLIER_FOLDER}
