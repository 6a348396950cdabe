"""One lock over processes and hosts: one holder at a time, and none that is gone."""

import os
import socket
import subprocess
import sys
import threading
import time
from dataclasses import replace
from pathlib import Path

import pytest

from tests.fakes.clock import FakeClock
from tmgg.errors import SubmissionError
from tmgg.experiment_utils.files import leases, locks
from tmgg.experiment_utils.files.atomic_file import write_json
from tmgg.experiment_utils.files.locks import FolderLock, LockLostError
from tmgg.experiment_utils.run_folder.registry import new_intent

COUNT = """
import sys
from pathlib import Path
from tmgg.experiment_utils.files.locks import FolderLock
lock = FolderLock(folder=Path(sys.argv[1]), name=".lock")
for _ in range(int(sys.argv[2])):
    with lock.held():
        number = int(Path(sys.argv[1], "count").read_text())
        Path(sys.argv[1], "count").write_text(str(number + 1))
"""


@pytest.fixture
def lock(tmp_path: Path, clock: FakeClock) -> FolderLock:
    return FolderLock(folder=tmp_path, name=".lock", monotonic=clock.monotonic, sleep=clock.sleep)


def hold_elsewhere(lock: FolderLock, number: int = 1) -> Path:
    """As a process on another host does."""
    intent = replace(new_intent(), host="elsewhere", scope="another boot")
    write_json(lock.file(number), intent.to_json())
    return lock.file(number)


def release(lock: FolderLock, file: Path) -> None:
    lock.draft(b"released\n").replace(file)


def test_processes_hold_it_one_after_the_other(tmp_path: Path) -> None:
    (tmp_path / "count").write_text("0")
    argv = [sys.executable, "-c", COUNT, str(tmp_path), "5"]
    children = [subprocess.Popen(argv) for _ in range(4)]
    assert [child.wait(timeout=100) for child in children] == [0] * 4
    assert (tmp_path / "count").read_text() == "20"
    assert len(list(tmp_path.iterdir())) == 2


def test_threads_hold_it_one_after_the_other(tmp_path: Path) -> None:
    lock = FolderLock(folder=tmp_path, name=".lock", sleep=lambda _s: None)
    inside: list[int] = []
    most: list[int] = []

    def work() -> None:
        with lock.held():
            inside.append(1)
            most.append(len(inside))
            time.sleep(0.001)
            inside.pop()

    threads = [threading.Thread(target=work) for _ in range(5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert most == [1] * 5


def test_it_is_free_once_its_holder_was_killed(lock: FolderLock) -> None:
    code = COUNT.replace("number = ", "import os; os.kill(os.getpid(), 9)\n        number = ")
    (lock.folder / "count").write_text("0")
    subprocess.run([sys.executable, "-c", code, str(lock.folder), "1"], check=False, timeout=60)
    assert lock.last_number() == 1
    with lock.held() as held:
        assert held.number == 2


def test_a_holder_elsewhere_is_waited_for_while_it_renews_its_lease(
    lock: FolderLock, clock: FakeClock, caplog: pytest.LogCaptureFixture
) -> None:
    file = hold_elsewhere(lock)
    clock.after(10.0, lambda: release(lock, file))
    with lock.held() as held:
        assert held.number == 2
    assert clock.now_s >= 1_010.0
    assert f"waiting for another process ({os.getpid()} on elsewhere), which has" in caplog.text


def test_it_is_free_once_the_lease_of_a_holder_elsewhere_is_over(lock: FolderLock) -> None:
    file = hold_elsewhere(lock)
    long_ago = time.time() - leases.LEASE_S - 1
    os.utime(file, (long_ago, long_ago))
    with lock.held() as held:
        assert held.number == 2


def test_who_waits_in_vain_is_told_for_whom(lock: FolderLock) -> None:
    hold_elsewhere(lock)
    with pytest.raises(
        SubmissionError, match=r"on elsewhere\) has held the lock .*\.lock\.1 for more than 900 s"
    ):
        lock.acquire()


def test_a_holder_that_was_stopped_sees_that_it_lost_the_lock(lock: FolderLock) -> None:
    with lock.held() as held:
        held.check()
        hold_elsewhere(lock, held.number + 1)
        with pytest.raises(LockLostError, match="Nothing was submitted"):
            held.check()
    with pytest.raises(SubmissionError):
        lock.acquire()  # releasing one's own frees nobody else's


def test_a_number_that_was_there_before_is_not_the_lock(
    lock: FolderLock, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = hold_elsewhere(lock, 5)
    seen = iter([1])  # what a process saw that was stopped then
    look = FolderLock.last_number
    monkeypatch.setattr(FolderLock, "last_number", lambda self: next(seen, None) or look(self))
    release(lock, lock.file(1))
    with pytest.raises(SubmissionError):
        lock.acquire()
    assert sorted(path.name for path in lock.folder.iterdir()) == [".lock.1", file.name]


def test_what_is_no_holder_counts_by_its_lease(lock: FolderLock) -> None:
    lock.file(1).write_text("{")
    lock.file(1).chmod(0o644)
    with pytest.raises(SubmissionError, match="another process has held"):
        lock.acquire()


def test_others_of_a_team_can_read_when_it_was_renewed(lock: FolderLock) -> None:
    before = os.umask(0o077)
    try:
        with lock.held() as held:
            assert lock.file(held.number).stat().st_mode & 0o777 == 0o644
        assert lock.file(held.number).stat().st_mode & 0o777 == 0o644
    finally:
        os.umask(before)


def test_a_holder_says_who_it_is(lock: FolderLock) -> None:
    assert locks.LOOK_AGAIN_S < locks.SAY_AFTER_S < leases.LEASE_S < locks.LONGEST_WAIT_S
    with lock.held() as held:
        assert socket.gethostname() in lock.file(held.number).read_text()
