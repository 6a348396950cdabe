"""What of a call travels, and what its record says."""

import functools
import json
import math
import os
import pickle
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from omegaconf import OmegaConf

from tmgg.errors import TaskError
from tmgg.experiment_utils.calls.job import open_call
from tmgg.experiment_utils.calls.packing import CallPacker, name_of
from tmgg.experiment_utils.run_folder.task import prepare_config


@pytest.fixture(autouse=True)
def process(monkeypatch: pytest.MonkeyPatch) -> None:
    """What opening a call changes is put back."""
    for name in ("__main__", "__mp_main__"):
        monkeypatch.setitem(sys.modules, name, sys.modules["__main__"])
    monkeypatch.setattr(sys, "path", list(sys.path))
    monkeypatch.setattr(sys, "argv", list(sys.argv))
    monkeypatch.setenv("TMGG_JOB_COMMAND", "null")
    monkeypatch.chdir(Path.cwd())


SCRIPT = """
import json, sys
from tmgg.experiment_utils.calls.packing import CallPacker
factor = 3
class Point:
    def __init__(self, x): self.x = x
def scaled(point, power=1):
    return factor * point.x ** power
packed = CallPacker(scaled).pack((Point(2),), {"power": 2})
open(sys.argv[1], "wb").write(packed.payload)
print(packed.identity.key)
"""


def returned(payload: bytes, folder: Path) -> object:
    path = folder / "payload.pkl"
    path.write_bytes(payload)
    call, _program = open_call(path, folder)
    del os.environ["TMGG_JOB_COMMAND"]  # or this process would be the job for good
    return call()


def test_a_call_comes_out_as_it_went_in(tmp_path: Path) -> None:
    packed = CallPacker(math.hypot).pack((3, 4), {})
    assert returned(packed.payload, tmp_path) == 5

    offset = 10
    packed = CallPacker(lambda x, *, y: x + y + offset).pack((1,), {"y": 2})
    assert returned(packed.payload, tmp_path) == 13


def test_a_function_of_a_module_goes_by_reference() -> None:
    envelope = pickle.loads(CallPacker(json.dumps).pack((1,), {}).payload)
    assert len(envelope["function"]) < 60


def test_what_a_script_defines_goes_by_value_and_is_the_same_each_time(tmp_path: Path) -> None:
    (tmp_path / "script.py").write_text(SCRIPT)
    said = [
        subprocess.run(
            [sys.executable, "script.py", f"out-{number}"],
            cwd=tmp_path,
            capture_output=True,
            text=True,
            check=True,
            timeout=60,
        ).stdout
        for number in range(2)
    ]

    assert said[0] == said[1]
    assert returned((tmp_path / "out-0").read_bytes(), tmp_path) == 12


def test_the_identity_is_function_and_arguments() -> None:
    packer = CallPacker(math.hypot)
    one = packer.pack((3, 4), {}).identity.key
    assert packer.pack((3, 4), {}).identity.key == one
    assert packer.pack((4, 3), {}).identity.key != one
    assert packer.pack((3.0, 4), {}).identity.key != one
    assert CallPacker(math.atan2).pack((3, 4), {}).identity.key != one
    assert CallPacker(functools.partial(math.hypot, 3)).pack((4,), {}).identity.key != one


def test_people_read_the_call_in_its_record() -> None:
    assert CallPacker(json.dumps).pack(([1, 2],), {"indent": 2}).title == (
        "json.dumps([1, 2], indent=2)"
    )
    long = CallPacker(json.dumps).pack((list(range(1000)), "x" * 1000), {})
    assert len(long.title) <= 200
    assert name_of(functools.partial(json.dumps, indent=1)) == "json.dumps"


@pytest.mark.parametrize("argument", ["${nowhere}", "???", "\\${x}", "a\nb", "ünï"])
def test_a_record_takes_any_argument(argument: str) -> None:
    config = CallPacker(json.dumps).pack((argument,), {}).config()
    prepared = prepare_config(config)
    assert repr(argument) in OmegaConf.create(prepared)["call"]


def test_what_cannot_travel_is_refused_by_name() -> None:
    with pytest.raises(TaskError, match=r"arguments of json\.dumps cannot be sent to a job"):
        CallPacker(json.dumps).pack((threading.Lock(),), {})
    lock = threading.Lock()
    with pytest.raises(TaskError, match="cannot be sent to a job"):
        CallPacker(lambda: lock)
    with pytest.raises(TaskError, match="is a int, not callable"):
        CallPacker(3)  # type: ignore[arg-type]


def test_another_python_is_told_apart(tmp_path: Path) -> None:
    envelope = pickle.loads(CallPacker(math.hypot).pack((3, 4), {}).payload)
    envelope["python"] = [3, 5]
    with pytest.raises(TaskError, match=r"submitted with Python 3\.5"):
        returned(pickle.dumps(envelope), tmp_path)
