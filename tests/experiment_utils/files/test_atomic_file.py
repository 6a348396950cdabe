"""Files that are either whole or not there."""

import json
import math
import os
import stat
import threading
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tmgg.errors import RecordError
from tmgg.experiment_utils.files.atomic_file import write_atomic, write_json
from tmgg.experiment_utils.files.trust import parse_json, read_json


def test_a_file_is_replaced_whole_and_only_its_owner_can_read_it(folder: Path) -> None:
    path = folder / "x.json"
    path.write_text("older")
    write_json(path, {"a": [1, None, "é"]})
    assert json.loads(path.read_text()) == {"a": [1, None, "é"]}
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert os.listdir(folder) == ["x.json"]  # noqa: PTH208 - nothing else, dot files included


def test_a_script_may_be_executed_by_its_owner(folder: Path) -> None:
    write_atomic(folder / "job.sh", b"#!/bin/sh\n", mode=0o700)
    assert stat.S_IMODE((folder / "job.sh").stat().st_mode) == 0o700


@pytest.mark.parametrize("call", ["fsync", "open"])
def test_a_disk_that_is_full_leaves_the_older_file_and_no_other(
    folder: Path, monkeypatch: pytest.MonkeyPatch, call: str
) -> None:
    def full(*_arguments: object) -> None:
        raise OSError(28, "No space left on device")

    path = folder / "x.json"
    path.write_text("older")
    with monkeypatch.context() as patch:
        patch.setattr(os, call, full)
        with pytest.raises(OSError, match="No space left"):
            write_atomic(path, b"newer")
    assert path.read_text() == "older"
    assert [item.name for item in folder.iterdir()] == ["x.json"]


def test_a_missing_folder_is_an_os_error(folder: Path) -> None:
    with pytest.raises(FileNotFoundError):
        write_atomic(folder / "no" / "x", b"")


def test_no_reader_ever_sees_half_a_file(folder: Path) -> None:
    path = folder / "x.json"
    write_json(path, {"n": 0, "text": "x" * 50_000})
    stop = threading.Event()
    seen: set[int] = set()

    def read() -> None:
        while not stop.is_set():
            value = read_json(path)
            assert value is not None
            assert len(value["text"]) == 50_000
            seen.add(value["n"])

    reader = threading.Thread(target=read)
    reader.start()
    number = 0
    while reader.is_alive() and (number < 60 or len(seen) < 10):
        number += 1
        write_json(path, {"n": number, "text": "x" * 50_000})
    stop.set()
    reader.join()
    assert len(seen) >= 10


def test_odd_numbers_survive(folder: Path) -> None:
    write_json(folder / "x.json", {"nan": math.nan, "inf": math.inf, "minus": -math.inf})
    found = read_json(folder / "x.json")
    assert found is not None
    assert math.isnan(found["nan"])
    assert (found["inf"], found["minus"]) == (math.inf, -math.inf)


def test_a_file_that_is_not_there_is_none(folder: Path) -> None:
    assert read_json(folder / "x.json") is None
    (folder / "file").touch()
    assert read_json(folder / "file" / "x.json") is None


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (b"", "is not JSON"),
        (b'{"a": 1', "is not JSON"),
        (b"\xff\xfe\x00", "is not JSON"),
        (b"[" * 100_000, "is not JSON"),
        (b"[1]", "holds a list, not an object"),
        (b"null", "holds a NoneType, not an object"),
        (b"NaN", "holds a float, not an object"),
    ],
)
def test_a_damaged_file_is_named_with_what_is_wrong(text: bytes, words: str, folder: Path) -> None:
    path = folder / "x.json"
    path.write_bytes(text)
    with pytest.raises(RecordError) as caught:
        read_json(path)
    assert str(caught.value).startswith(f"{path} {words}")


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.binary() | st.text())
def test_any_text_is_an_object_or_a_record_error(text: str | bytes) -> None:
    try:
        assert isinstance(parse_json(text, what="it"), dict)
    except RecordError as error:
        assert str(error).startswith("it ")  # noqa: PT017 - either outcome is right
