import fcntl
import os
import stat
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tmgg.experiment_utils.ray_cluster.clear_node import processes_of, without_step
from tmgg.experiment_utils.ray_cluster.head_address_file import look_up, publish
from tmgg.experiment_utils.ray_cluster.scratch import (
    Scratch,
    ScratchError,
    remove_abandoned,
)
from tmgg.experiment_utils.ray_cluster.scratch_name import folder_of_start

JOB = {"SLURM_JOB_ID": "77"}


@pytest.fixture
def parent() -> Iterator[Path]:
    # pytest's own folders have names too long for Ray's sockets.
    with tempfile.TemporaryDirectory(prefix="s") as name:
        yield Path(name)


def test_only_the_owner_can_look_in(parent: Path) -> None:
    path = folder_of_start(str(parent), JOB, secret=b"s")
    scratch = Scratch(path)
    scratch.make()
    assert stat.S_IMODE(path.stat().st_mode) == 0o700
    scratch.remove()
    assert not path.exists()


def test_a_folder_that_somebody_made_first_is_not_used(parent: Path) -> None:
    path = folder_of_start(str(parent), JOB, secret=b"s")
    path.mkdir()
    with pytest.raises(ScratchError, match="File exists"):
        Scratch(path).make()


def test_a_folder_that_is_just_being_made_is_not_taken_for_abandoned(
    parent: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lock = fcntl.flock

    def flock(descriptor: int, operation: int) -> None:
        monkeypatch.setattr(fcntl, "flock", lock)
        remove_abandoned(parent)  # another job's, in this very moment
        lock(descriptor, operation)

    monkeypatch.setattr(fcntl, "flock", flock)
    scratch = Scratch(folder_of_start(str(parent), JOB, secret=b"s"))
    scratch.make()
    assert scratch.path.is_dir()
    remove_abandoned(parent)
    assert scratch.path.is_dir()
    scratch.remove()
    assert not scratch.path.exists()


def test_the_head_is_found_by_this_start_only(tmp_path: Path) -> None:
    file = tmp_path / "ray_head"
    assert look_up(file, start="7.0") is None
    file.touch()
    assert look_up(file, start="7.0") is None
    publish(file, ("10.0.0.1", 20000), start="7.0")
    assert look_up(file, start="7.0") == ("10.0.0.1", 20000)
    assert look_up(file, start="7.1") is None


@pytest.mark.parametrize("text", ['{"start": "7.0"', "[]", '{"start": "7.0", "host": "a"}', "7"])
def test_a_torn_address_is_none(tmp_path: Path, text: str) -> None:
    file = tmp_path / "ray_head"
    file.write_text(text)
    assert look_up(file, start="7.0") is None


def test_a_new_step_is_not_bound_by_the_step_that_asks_for_it() -> None:
    environment = {
        "SLURM_STEP_ID": "0",
        "SLURM_CPU_BIND": "x",
        "SRUN_DEBUG": "3",
        "SLURM_CONF": "/etc/slurm.conf",
        "SLURM_RESTART_COUNT": "1",
        "PATH": "/bin",
    }
    kept = without_step(environment)
    assert kept == {
        "SLURM_CONF": "/etc/slurm.conf",
        "SLURM_RESTART_COUNT": "1",
        "PATH": "/bin",
    }


def test_processes_are_known_by_the_folder_in_their_environment(parent: Path) -> None:
    assert os.getpid() not in processes_of(parent)
    with subprocess.Popen(["/bin/sleep", "60"], env={"RAY_TMPDIR": str(parent)}) as child:
        try:
            # The kernel shows a new program's environment a moment after its start.
            deadline = time.monotonic() + 20
            while processes_of(parent) != [child.pid] and time.monotonic() < deadline:
                time.sleep(0.01)
            assert processes_of(parent) == [child.pid]
            assert not processes_of(parent.parent)
        finally:
            child.kill()
