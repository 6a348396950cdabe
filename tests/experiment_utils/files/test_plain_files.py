"""Files that others may have written: plain ones only, and only so much."""

import os
from pathlib import Path

import pytest

from tmgg.experiment_utils.files.plain_files import end_of, open_plain, read_beginning


def test_a_plain_file_is_read_from_either_end(tmp_path: Path) -> None:
    (tmp_path / "log").write_text("0123456789")
    assert read_beginning(tmp_path / "log", most_bytes=4) == "0123"
    with open_plain(tmp_path / "log") as stream:
        assert end_of(stream, most_bytes=4) == b"6789"


@pytest.mark.timeout(20)
@pytest.mark.parametrize("kind", ["pipe", "device", "folder"])
def test_what_is_no_plain_file_is_refused_at_once(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "log"
    if kind == "pipe":
        os.mkfifo(path)
    elif kind == "device":
        path.symlink_to("/dev/zero")
    else:
        path.mkdir()
    with pytest.raises(OSError, match="not a plain file"):
        open_plain(path)


def test_no_file_is_still_reported_as_that(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        open_plain(tmp_path / "log")
