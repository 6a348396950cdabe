"""The folder of runs is made ready, or refused with words. Other users: files/test_trust.py."""

from pathlib import Path

import pytest

from tmgg.errors import ConfigError
from tmgg.experiment_utils.run_folder.output_folder import (
    SHARED,
    check_folder,
    make_shared_folder,
    prepare_output_dir,
)


def mode_of(path: Path) -> int:
    return path.stat().st_mode & 0o7777


def test_the_folder_is_made_with_all_that_its_runs_share(tmp_path: Path) -> None:
    folder = tmp_path / "new" / "runs"

    prepare_output_dir(folder)

    assert sorted(path.name for path in folder.iterdir()) == sorted(SHARED)
    assert {mode_of(path) for path in folder.iterdir()} == {0o700}


def test_a_folder_that_everybody_can_write_is_refused_with_the_way_out(tmp_path: Path) -> None:
    below = tmp_path / "open" / "runs"
    below.mkdir(parents=True)
    below.parent.chmod(0o777)

    with pytest.raises(ConfigError, match=f"chmod go-w {below.parent}"):
        check_folder(below)

    below.parent.chmod(0o1777)  # others cannot replace what is in it
    check_folder(below)


def test_a_link_is_as_safe_as_what_it_leads_to(tmp_path: Path) -> None:
    target = tmp_path / "open"
    target.mkdir()
    target.chmod(0o777)
    (tmp_path / "link").symlink_to(target)

    with pytest.raises(ConfigError, match="not safe"):
        prepare_output_dir(tmp_path / "link")


def test_who_can_write_the_folder_above_keeps_files_of_her_own_in_a_shared_one(
    tmp_path: Path,
) -> None:
    tmp_path.chmod(0o2770)
    make_shared_folder(tmp_path / ".ended")

    assert mode_of(tmp_path / ".ended") == 0o3770

    tmp_path.chmod(0o755)
    make_shared_folder(tmp_path / "closed")

    assert mode_of(tmp_path / "closed") & 0o77 == 0
