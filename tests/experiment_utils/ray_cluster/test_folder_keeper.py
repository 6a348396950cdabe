"""A node's folder under symmetric-run goes when its start is over, whatever Ray left behind."""

import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tmgg.experiment_utils.ray_cluster import folder_keeper
from tmgg.experiment_utils.ray_cluster.scratch import Scratch

KEEPER = "tmgg.experiment_utils.ray_cluster.folder_keeper"


@pytest.fixture
def short() -> Iterator[Path]:
    """A folder whose name is short enough for sockets in it."""
    with tempfile.TemporaryDirectory(dir="/tmp") as name:
        yield Path(name)


@pytest.fixture
def stack() -> Iterator[ExitStack]:
    with ExitStack() as stack:
        yield stack


def start_keeper(stack: ExitStack, short: Path) -> tuple[subprocess.Popen[str], Path]:
    (short / "ray_token").write_text("secret")
    process = subprocess.Popen(
        [sys.executable, "-m", KEEPER, str(short), str(short)],
        env=os.environ | {"SLURM_JOB_ID": "7"},
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    stack.callback(process.stdout.close)
    stack.callback(process.wait, 30)
    stack.callback(process.kill)
    word, path = process.stdout.readline().split()
    assert word == folder_keeper.MADE
    return process, Path(path)


def start_user(stack: ExitStack, folder: Path) -> subprocess.Popen[bytes]:
    """A process that Ray left behind."""
    process = subprocess.Popen(["sleep", "60"], env={"RAY_TMPDIR": str(folder), "PATH": os.defpath})
    stack.callback(process.wait, 30)
    stack.callback(process.kill)
    return process


@pytest.mark.parametrize("number", [signal.SIGUSR1, signal.SIGTERM])
def test_it_waits_for_the_users_of_the_folder_and_removes_it(
    stack: ExitStack, short: Path, number: signal.Signals
) -> None:
    keeper, folder = start_keeper(stack, short)
    user = start_user(stack, folder)
    keeper.send_signal(number)
    with pytest.raises(subprocess.TimeoutExpired):
        keeper.wait(0.5)
    assert folder.is_dir()
    user.kill()
    user.wait(30)
    assert keeper.wait(30) == 0
    assert not folder.exists()


def test_what_lingers_holds_up_a_finished_job_for_a_bounded_time(
    stack: ExitStack, short: Path
) -> None:
    scratch = Scratch(short / "tmgg-7-x")
    scratch.make()
    start_user(stack, scratch.path)
    folder_keeper._remove(scratch, within_s=0.2)
    assert not scratch.path.exists()
    assert folder_keeper.LINGER_S < 30
