"""What is advised where a file cannot be written."""

import errno
import os
from pathlib import Path

import pytest

from tmgg.experiment_utils.files.write_cures import cure_for


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT])
def test_room_is_advised_where_there_is_none(tmp_path: Path, number: int) -> None:
    assert cure_for(OSError(number, "x"), tmp_path) == (
        f"Make room in {tmp_path}, or in your quota there"
    )


def test_a_read_only_file_system_is_called_that(tmp_path: Path) -> None:
    assert "mounted read-only" in cure_for(OSError(errno.EROFS, "x"), tmp_path)


def test_a_folder_that_is_closed_is_named_with_its_owner(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "access", lambda _path, _mode: False)  # root may write anywhere
    denied = PermissionError(errno.EACCES, "x")
    assert cure_for(denied, tmp_path / "new") == (
        f"You may not write in {tmp_path} (chmod u+rwx {tmp_path})"
    )
    monkeypatch.setattr(os, "geteuid", lambda: tmp_path.stat().st_uid + 1)
    assert "belongs to" in cure_for(denied, tmp_path)


def test_nothing_is_advised_where_nothing_is_known(tmp_path: Path) -> None:
    assert cure_for(OSError(errno.EIO, "x"), tmp_path) == ""
    assert cure_for(PermissionError(errno.EACCES, "x"), tmp_path) == ""
