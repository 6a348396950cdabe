import fcntl
import os
import stat
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tmgg.experiment_utils.ray_cluster.clear_node import processes_of, without_step
from tmgg.experiment_utils.ray_cluster.head_address_file import look_up, publish
from tmgg.experiment_utils.ray_cluster.scratch import (
    Scratch,
    ScratchError,
    remove_abandoned,
)
from tmgg.experiment_utils.ray_cluster.scratch_name import folder_of_start, is_name_of_start

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


def make_abandoned(folder: Path) -> None:
    """As a job leaves it whose node lost power."""
    scratch = Scratch(folder)
    scratch.make()
    (folder / "tmp" / "spilled").write_text("x")
    os.close(scratch._lock)


def make_abandoned_by_an_earlier_release(folder: Path) -> None:
    for made in (folder, folder / "tmp"):
        made.mkdir(mode=0o700)
    os.close(os.open(folder / ".lock", os.O_CREAT | os.O_RDWR, 0o600))


def make_environment(folder: Path) -> None:
    """What `uv venv` makes: its lock is empty, free and open to all."""
    folder.mkdir(mode=0o700)
    (folder / "tmp").mkdir(mode=0o700)
    (folder / ".lock").touch()
    (folder / ".lock").chmod(0o666)


def test_what_a_dead_job_left_is_removed(parent: Path) -> None:
    make_abandoned(parent / "tmgg-abcd23")
    make_abandoned_by_an_earlier_release(parent / "tmgg-abcd24")
    remove_abandoned(parent)
    assert list(parent.iterdir()) == []


@pytest.mark.parametrize("name", ["tmgg-env", "tmgg-abcde", "tmgg-abcdefg", "tmgg-abcd18", "tmgg-"])
def test_a_folder_with_another_name_is_kept(parent: Path, name: str) -> None:
    make_abandoned_by_an_earlier_release(parent / name)
    (parent / name / ".tmgg-scratch-lock").touch()
    remove_abandoned(parent)
    assert (parent / name / ".lock").exists()


def test_an_environment_with_the_name_of_a_jobs_folder_is_kept(parent: Path) -> None:
    make_environment(parent / "tmgg-models")
    remove_abandoned(parent)
    assert (parent / "tmgg-models" / ".lock").exists()


@pytest.mark.parametrize(
    "change",
    [
        lambda folder: folder.chmod(0o755),
        lambda folder: (folder / "tmp").rmdir(),
        lambda folder: (folder / "tmp").chmod(0o755),
        lambda folder: (folder / ".lock").write_text("pid 7"),
        lambda folder: (folder / ".lock").chmod(0o644),
        lambda folder: (folder / ".lock").rename(folder / "lock"),
    ],
)
def test_a_folder_that_tmgg_would_have_made_otherwise_is_kept(
    parent: Path, change: Callable[[Path], object]
) -> None:
    folder = parent / "tmgg-abcd23"
    make_abandoned_by_an_earlier_release(folder)
    change(folder)
    remove_abandoned(parent)
    assert folder.is_dir()


def test_a_link_to_a_jobs_folder_is_kept_with_what_it_leads_to(parent: Path) -> None:
    make_abandoned(parent / "elsewhere")
    (parent / "tmgg-abcd23").symlink_to(parent / "elsewhere")
    remove_abandoned(parent)
    assert (parent / "tmgg-abcd23" / "tmp" / "spilled").exists()


def test_the_folder_of_every_start_can_be_recognised() -> None:
    for count in range(100):
        start = {"SLURM_JOB_ID": "77", "SLURM_RESTART_COUNT": str(count)}
        assert is_name_of_start(folder_of_start("/tmp", start, secret=b"s").name)


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
