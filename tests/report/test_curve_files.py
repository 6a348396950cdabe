"""Which files of a run's output folders may hold learning curves."""

from pathlib import Path

from tmgg.report.curve_files import attempts_of, find_curve_files


def test_a_folder_of_very_many_files_is_looked_at_in_part(tmp_path: Path) -> None:
    for number in range(1000):
        (tmp_path / f"{number}.csv").touch()
    files = find_curve_files([tmp_path])
    assert len(files.tables) < 500
    assert not files.is_complete


def test_only_version_folders_of_one_folder_are_attempts() -> None:
    a, b, other = (Path(f"/x/{name}/m.csv") for name in ("version_2", "version_10", "y"))
    assert attempts_of([b, a, other]) == [[a, b], [other]]
