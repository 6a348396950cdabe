"""The guardian with real processes: whatever ends, nothing of the tree and its files stays."""

import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tmgg.experiment_utils.ray_cluster.scratch import remove_abandoned
from tmgg.experiment_utils.supervisor.processes import descendants

PATIENCE_S = 60.0

# A supervisor with one child and one daemon that left its session, its parent and its signals.
TREE = """
import os, signal, subprocess, sys, time
from pathlib import Path
from tmgg.experiment_utils.ray_cluster.guardian import guard
from tmgg.experiment_utils.ray_cluster.scratch import Scratch

base, ending = Path(sys.argv[1]), sys.argv[2]
scratch = Scratch(base / "tmgg-abcd77")

def note(name, pid):
    (base / f"{name}.part").write_text(str(pid))
    (base / f"{name}.part").rename(base / name)

def daemon():
    if os.fork() == 0:
        os.setsid()
        if os.fork() == 0:
            for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT):
                signal.signal(number, signal.SIG_IGN)
            time.sleep(600)
        os._exit(0)
    os.wait()

def supervise():
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(9))
    daemon()
    child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
    (scratch.path / "file").write_text("x")
    note("child", child.pid)
    note("supervisor", os.getpid())
    if ending == "returns":
        return 5
    if ending == "raises":
        raise ValueError("a bug")
    if ending == "hup":
        signal.signal(signal.SIGHUP, lambda *_: os.kill(os.getpid(), signal.SIGTERM))
    while True:
        time.sleep(600)

scratch.make()
note("guardian", os.getpid())
try:
    code = guard(supervise, scratch)
except SystemExit as error:
    code = error.code
sys.exit(code)
"""


class Tree:
    """A running guardian and what is below it."""

    def __init__(self, base: Path, ending: str) -> None:
        self.base = base
        self.process = subprocess.Popen(
            [sys.executable, "-c", TREE, str(base), ending],
            stderr=subprocess.PIPE,
            text=True,
        )
        self.seen: set[int] = set()

    def pid(self, name: str) -> int:
        until(lambda: (self.base / name).exists() or self.process.poll() is not None)
        self.seen |= set(descendants(self.process.pid))
        return int((self.base / name).read_text())

    def ended(self) -> tuple[int, str]:
        _out, err = self.process.communicate(timeout=PATIENCE_S)
        return self.process.returncode, err

    def survivors(self) -> list[int]:
        return [pid for pid in self.seen if _is_running(pid)]


def _is_running(pid: int) -> bool:
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return False
    return stat.rpartition(")")[2].split()[0] != "Z"  # whose init reaps it is not ours to say


def until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


@pytest.fixture
def base() -> Iterator[Path]:
    # pytest's own folders have names too long for Ray's sockets.
    with tempfile.TemporaryDirectory(prefix="g") as name:
        yield Path(name)


@pytest.fixture
def tree(base: Path) -> Iterator[Callable[[str], Tree]]:
    trees: list[Tree] = []

    def grow(ending: str) -> Tree:
        trees.append(Tree(base, ending))
        return trees[-1]

    yield grow
    for one in trees:
        for pid in [one.process.pid, *one.survivors()]:
            if _is_running(pid):
                os.kill(pid, signal.SIGKILL)
        one.process.communicate(timeout=PATIENCE_S)


def nothing_stays(tree: Tree, base: Path) -> None:
    until(lambda: not tree.survivors())
    until(lambda: not (base / "tmgg-abcd77").exists())


def test_its_own_code_is_that_of_the_supervisor(tree: Callable[[str], Tree], base: Path) -> None:
    grown = tree("returns")
    grown.pid("supervisor")
    assert grown.ended()[0] == 5
    nothing_stays(grown, base)


def test_a_bug_of_the_supervisor_is_reported(tree: Callable[[str], Tree], base: Path) -> None:
    grown = tree("raises")
    grown.pid("supervisor")
    code, err = grown.ended()
    assert code == os.EX_SOFTWARE
    assert "ValueError: a bug" in err
    nothing_stays(grown, base)


def test_a_signal_to_the_guardian_is_the_supervisors_to_answer(
    tree: Callable[[str], Tree], base: Path
) -> None:
    grown = tree("waits")
    grown.pid("supervisor")
    os.kill(grown.pid("guardian"), signal.SIGTERM)
    grown.ended()
    nothing_stays(grown, base)


def test_a_killed_supervisor_is_cleared_up_after(tree: Callable[[str], Tree], base: Path) -> None:
    grown = tree("waits")
    os.kill(grown.pid("supervisor"), signal.SIGKILL)
    code, err = grown.ended()
    assert code == 128 + signal.SIGKILL
    assert "the supervisor was killed by signal 9" in err
    nothing_stays(grown, base)


def test_a_killed_guardian_is_cleared_up_after_by_its_supervisor(
    tree: Callable[[str], Tree], base: Path
) -> None:
    grown = tree("hup")
    grown.pid("supervisor")
    os.kill(grown.pid("guardian"), signal.SIGKILL)
    nothing_stays(grown, base)


def test_folders_of_jobs_that_are_gone_are_removed_and_others_kept(
    tree: Callable[[str], Tree], base: Path
) -> None:
    grown = tree("waits")
    supervisor = grown.pid("supervisor")
    abandoned = base / "tmgg-abcd22"
    abandoned.mkdir(mode=0o700)
    (abandoned / ".tmgg-scratch-lock").touch()
    strange = base / "tmgg-nolock"
    strange.mkdir()
    remove_abandoned(base)
    assert not abandoned.exists()
    assert strange.exists()
    assert (base / "tmgg-abcd77").exists()
    os.kill(supervisor, signal.SIGKILL)
    grown.ended()
