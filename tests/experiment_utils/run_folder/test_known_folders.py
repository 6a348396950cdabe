"""The list of folders with runs, in a home that does not take it."""

import logging
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.fakes.full_disk import full_disk
from tmgg.experiment_utils.run_folder.known_folders import (
    home_folder,
    known_folders,
    mount_of,
    noted_mount,
    remember_folder,
)


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("TMGG_HOME", str(tmp_path / "home"))
    return home_folder()


@pytest.mark.parametrize("is_new", [True, False])
def test_a_full_disk_is_told_once_and_leaves_the_list_as_it_was(
    home: Path, caplog: pytest.LogCaptureFixture, is_new: bool
) -> None:
    if not is_new:
        remember_folder(Path("/runs/old"))
    with full_disk():
        remember_folder(Path("/runs/a"))
        remember_folder(Path("/runs/b"))

    assert known_folders() == ([] if is_new else [Path("/runs/old")])
    assert (home / "folders").exists() is not is_new
    (told,) = [each.getMessage() for each in caplog.records if each.levelno == logging.WARNING]
    assert f"{home}/folders cannot be written" in told
    assert f"Make room in {home}" in told
    assert "--folder /runs/a" in told


def test_a_list_that_ends_in_half_a_line_is_gone_on_with(home: Path) -> None:
    home.mkdir()
    (home / "folders").write_text("/runs/a\n/runs/hal")
    remember_folder(Path("/runs/b"))
    assert known_folders() == [Path("/runs/b"), Path("/runs/hal"), Path("/runs/a")]
    assert noted_mount(Path("/runs/b")) == mount_of(Path("/runs"))


def test_those_who_add_at_the_same_time_lose_nothing() -> None:
    folders = [Path(f"/runs/{number}") for number in range(40)]
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(remember_folder, folders))
    assert sorted(known_folders()) == sorted(folders)
