"""Uploads end: whole, resumed, or in an error that says what to do."""

import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.artifacts.conftest import BUCKET
from tmgg.errors import ArtifactError, ConfigError
from tmgg.experiment_utils.job import artifacts
from tmgg.experiment_utils.job.artifacts import (
    MANIFEST,
    TRIES,
    Insistence,
    Upload,
    check_url,
    url_of,
)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Three files, one of them below, and a link."""
    folder = tmp_path / "output"
    (folder / "checkpoints").mkdir(parents=True)
    (folder / "checkpoints" / "last ü.ckpt").write_bytes(b"w" * 1000)
    (folder / "a.txt").write_text("a")
    (folder / "b.txt").write_text("bb")
    (folder / "link").symlink_to(folder / "a.txt")
    return folder


NAMES = ["a.txt", "b.txt", "checkpoints/last ü.ckpt"]


class Calls:
    """Counts what a file system is asked to put, and fails where it is told to."""

    def __init__(self, patch: pytest.MonkeyPatch, file_system: Any) -> None:
        self.put: list[str] = []
        self.fail: Callable[[str], Exception | None] = lambda _name: None
        original = file_system.put_file

        def put_file(place: Any, source: str, target: str, **options: Any) -> None:
            self.put.append(Path(source).name)
            error = self.fail(Path(source).name)
            if error is not None:
                raise error
            original(place, source, target, **options)

        patch.setattr(file_system, "put_file", put_file)


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> Calls:
    from fsspec.implementations.local import LocalFileSystem

    return Calls(monkeypatch, LocalFileSystem)


def patient(paused_s: list[float] | None = None) -> Insistence:
    """Does not sleep; the pauses add up to the time that passes."""
    pauses: list[float] = [] if paused_s is None else paused_s
    return Insistence(sleep=pauses.append, monotonic=lambda: sum(pauses), jitter=lambda: 0.5)


def test_all_files_arrive_with_a_note_of_what_they_are(folder: Path, tmp_path: Path) -> None:
    there = tmp_path / "there"

    assert Upload(folder, f"file://{there}").run() == NAMES

    for name in NAMES:
        assert (there / name).read_bytes() == (folder / name).read_bytes()
    assert not (there / "link").exists()
    note = json.loads((there / MANIFEST).read_text())
    assert sorted(note["files"]) == NAMES
    assert note["files"]["a.txt"] == {"size": 1, "sha256": hashlib.sha256(b"a").hexdigest()}


def test_an_upload_that_was_cut_off_goes_on_where_it_stopped(
    folder: Path, tmp_path: Path, calls: Calls, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(artifacts, "NOTE_EVERY_BYTES", 1)
    calls.fail = lambda name: ConnectionError("cut off") if name == "b.txt" else None
    with pytest.raises(ArtifactError, match=r"sending b\.txt .* failed: ConnectionError: cut off"):
        Upload(folder, f"file://{tmp_path}/there", insist=patient()).run()
    assert calls.put == ["a.txt", *["b.txt"] * TRIES]

    calls.put, calls.fail = [], lambda _name: None
    Upload(folder, f"file://{tmp_path}/there").run()
    assert calls.put == ["b.txt", "last ü.ckpt"]


def test_only_what_changed_is_sent_again(folder: Path, tmp_path: Path, calls: Calls) -> None:
    url = f"file://{tmp_path}/there"
    Upload(folder, url).run()
    calls.put = []
    (folder / "b.txt").write_text("cc")
    (tmp_path / "there" / "a.txt").unlink()

    Upload(folder, url).run()

    assert calls.put == ["a.txt", "b.txt"]


def test_what_fails_once_is_tried_again(folder: Path, tmp_path: Path, calls: Calls) -> None:
    calls.fail = lambda name: OSError("busy") if calls.put.count(name) < 3 else None
    paused_s: list[float] = []

    Upload(folder, f"file://{tmp_path}/there", insist=patient(paused_s)).run()

    assert paused_s == [1.0, 2.0] * 3


def test_nothing_is_tried_beyond_the_time_limit(folder: Path, tmp_path: Path, calls: Calls) -> None:
    calls.fail = lambda _name: OSError("busy")
    paused_s: list[float] = []
    insist = Insistence(limit_s=4.0, sleep=paused_s.append, monotonic=lambda: sum(paused_s))

    with pytest.raises(ArtifactError, match="busy"):
        Upload(folder, f"file://{tmp_path}/there", insist=insist).run()

    assert len(calls.put) < TRIES


def test_what_is_forbidden_is_not_tried_again(folder: Path, tmp_path: Path, calls: Calls) -> None:
    calls.fail = lambda _name: PermissionError("Access Denied")
    with pytest.raises(ArtifactError, match="Access Denied"):
        Upload(folder, f"file://{tmp_path}/there", insist=patient()).run()
    assert calls.put == ["a.txt"]


def test_a_damaged_note_only_costs_sending_again(
    folder: Path, tmp_path: Path, calls: Calls
) -> None:
    url = f"file://{tmp_path}/there"
    Upload(folder, url).run()
    (tmp_path / "there" / MANIFEST).write_text("{")

    assert Upload(folder, url).run() == NAMES
    assert len(calls.put) == 2 * len(NAMES)


def test_large_files_travel_in_parts(
    s3: Any, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(artifacts, "PART_BYTES", 5 << 20)
    content = bytes(range(256)) * (12 << 12)
    (folder / "large.bin").write_bytes(content)

    Upload(folder, f"s3://{BUCKET}/run").run()

    found = s3.get_object(Bucket=BUCKET, Key="run/large.bin")
    assert found["Body"].read() == content
    assert found["ETag"].strip('"').endswith("-3")


def test_a_bucket_that_is_not_there_is_an_error_with_its_name(s3: Any, folder: Path) -> None:
    with pytest.raises(ArtifactError, match=r"s3://absent/run"):
        Upload(folder, "s3://absent/run", insist=patient()).run()
    assert "absent" not in [each["Name"] for each in s3.list_buckets()["Buckets"]]


@pytest.mark.parametrize("value", ["bucket/folder", "s3://", "s3:/a", "", 3, "s3://a b", "S3 ://a"])
def test_what_is_no_url_is_refused(value: object) -> None:
    with pytest.raises(ConfigError, match="artifact_url="):
        check_url("artifact_url", value)


def test_a_url_ends_without_a_slash() -> None:
    assert check_url("artifact_url", "s3://bucket/folder/") == "s3://bucket/folder"


def test_a_checkpoint_is_named_by_where_it_is_now(tmp_path: Path) -> None:
    def place(checkpoint: str | None) -> str | None:
        return url_of(checkpoint, tmp_path, "s3://b/run", ["last.ckpt", "sharded/0.pt"])

    assert place(f"{tmp_path}/last.ckpt") == "s3://b/run/last.ckpt"
    assert place(f"{tmp_path}/sharded") == "s3://b/run/sharded"
    assert place("/data/elsewhere.ckpt") == "/data/elsewhere.ckpt"
    assert place(None) is None
    with pytest.raises(ArtifactError, match="links are not"):
        place(f"{tmp_path}/link")


@pytest.mark.parametrize(
    "value",
    ["s3://user:hunter2@bucket/a", "sftp://hunter2@host/a", "https://h/a?token=hunter2"],
)
def test_a_url_with_credentials_is_refused_and_not_shown(value: str) -> None:
    with pytest.raises(ConfigError, match="password") as refused:
        check_url("artifact_url", value)
    assert "hunter2" not in str(refused.value)
    assert value.partition("://")[0] in str(refused.value)


@pytest.mark.parametrize("value", ["s4://bucket/a", "S3://bucket/a", "bucket://a"])
def test_a_url_of_no_file_system_is_refused_before_anything_is_submitted(value: str) -> None:
    with pytest.raises(ConfigError, match="artifact_url="):
        check_url("artifact_url", value)
