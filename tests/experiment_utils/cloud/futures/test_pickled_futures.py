"""A pickled future opens as a future of the same run: in another process, later, or as a copy."""

import concurrent.futures
import copy
import os
import pickle
import shutil
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest

from tests.experiment_utils.cloud.labs import importable
from tmgg.errors import RunFailedError, UnknownRunError
from tmgg.experiment_utils.cloud import LocalConfig, LocalRunner
from tmgg.experiment_utils.cloud.futures.call_future import RunFuture
from tmgg.experiment_utils.run_folder.paths import RunPaths

LIMIT_S = 60
LAB = """
import pathlib, time

def square(x):
    if x < 0:
        raise KeyError("negative")
    return [x * x]

def waits_for(name):
    while not pathlib.Path(name).exists():
        time.sleep(0.05)
    return "it came"
"""
ELSEWHERE = """
import concurrent.futures, pathlib, pickle, sys
futures = pickle.load(sys.stdin.buffer)
pathlib.Path(sys.argv[1]).touch()
print(len(concurrent.futures.wait(futures, timeout=60).done))
for each in futures:
    print(each.run_id, "cancelled" if each.cancelled() else each.exception() or each.result())
"""


@pytest.fixture
def lab(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    yield from importable(folder, LAB, monkeypatch)


def kept(future: RunFuture[Any]) -> RunPaths:
    return RunPaths(LocalRunner().output_dir, future.run_id)


def test_another_process_in_another_folder_waits_for_what_goes_on_and_has_what_is_done(
    lab: Any, folder: Path, tmp_path: Path
) -> None:
    runner = LocalRunner(LocalConfig(output_dir="elsewhere"))
    futures = runner.map(lab.square, [3, -1], parallelism=2)
    concurrent.futures.wait(futures, timeout=LIMIT_S)
    going_on, ended = (runner.submit(lab.waits_for, name) for name in ("come", "never"))
    assert ended.cancel()
    away = tmp_path / "away"
    away.mkdir()

    done = subprocess.run(
        [sys.executable, "-c", ELSEWHERE, str(folder / "come")],
        input=pickle.dumps([*futures, going_on, ended]),
        env=os.environ | {"PYTHONPATH": str(folder)},
        cwd=away,
        capture_output=True,
        timeout=LIMIT_S,
    )

    assert done.returncode == 0, done.stderr.decode()
    run_ids = [future.run_id for future in (*futures, going_on, ended)]
    outcomes = ["[9]", "'negative'", "it came", "cancelled"]
    said = done.stdout.decode().splitlines()
    assert said == ["4", *map(" ".join, zip(run_ids, outcomes, strict=True))]
    assert going_on.result(LIMIT_S) == "it came"


def test_copies_are_futures_of_the_same_run_and_share_a_watcher(lab: Any) -> None:
    future = LocalRunner().submit(lab.waits_for, "come")
    before = set(threading.enumerate())

    copies = [copy.deepcopy({"a": future})["a"], *(copy.copy(future) for _ in range(9))]

    assert len(set(threading.enumerate()) - before) == 1
    Path("come").touch()
    assert [each.result(LIMIT_S) for each in copies] == ["it came"] * 10
    assert {each.run_id for each in copies} == {future.run_id}


def test_one_that_is_off_the_record_hinders_no_other(lab: Any) -> None:
    lost, other = LocalRunner().submit(lab.square, 2), LocalRunner().submit(lab.square, 3)
    lost.result(LIMIT_S)
    pickled = pickle.dumps([lost, other])
    shutil.rmtree(kept(lost).folder)

    opened = pickle.loads(pickled)

    assert isinstance(opened[0].exception(LIMIT_S), UnknownRunError)
    assert not opened[0].cancel()
    assert isinstance(pickle.loads(pickle.dumps(opened[0])).exception(0), UnknownRunError)
    assert opened[1].result(LIMIT_S) == [9]


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")
def test_a_pickled_future_trusts_no_file_that_somebody_else_has_written(lab: Any) -> None:
    returned, recorded = LocalRunner().submit(lab.square, 2), LocalRunner().submit(lab.square, 3)
    concurrent.futures.wait([returned, recorded], timeout=LIMIT_S)
    pickled = pickle.dumps([returned, recorded])
    os.chown(kept(returned).artifacts / "call_return.1.pkl", 65534, 65534)
    os.chown(kept(recorded).run, 65534, 65534)

    errors = [each.exception(LIMIT_S) for each in pickle.loads(pickled)]

    assert isinstance(errors[0], RunFailedError | OSError | ValueError), errors
    assert isinstance(errors[1], UnknownRunError | ValueError), errors
