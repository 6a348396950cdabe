"""Processes of a run: which they are, and what they use."""

import os
import subprocess
import sys

import pytest

from tmgg.experiment_utils.sampling.process_tree import (
    Process,
    below,
    find_root,
    measure,
    parse_process,
    read_process,
)


def process(parent: int) -> Process:
    return Process(parent=parent, name="p", cpu_s=0.0, children_cpu_s=0.0, resident_bytes=0)


def test_a_stat_file_is_read_whatever_the_process_is_called() -> None:
    stat = "7 (a) b (c) S 3 7 7 0 -1 0 0 0 0 0 150 50 30 20 20 0 1 0 99 1000 25 0 0"
    found = parse_process(stat)
    ticks, page = os.sysconf("SC_CLK_TCK"), os.sysconf("SC_PAGE_SIZE")
    assert (found.parent, found.name) == (3, "a) b (c")
    assert found.cpu_s == pytest.approx(250 / ticks)
    assert found.children_cpu_s == pytest.approx(50 / ticks)
    assert found.resident_bytes == 25 * page


def test_a_tree_is_all_that_is_below_also_where_ids_go_round() -> None:
    table = {
        2: process(1),
        3: process(2),
        4: process(3),
        5: process(1),
        6: process(7),
        7: process(6),
    }
    assert below(2, table) == {3, 4}
    assert below(6, table) == {6, 7}


def test_the_root_is_the_stated_ancestor_else_the_process_itself() -> None:
    own = os.getpid()
    assert find_root(own, read_process(own).parent) == read_process(own).parent
    stranger = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    with stranger:
        assert find_root(own, stranger.pid, is_alone_in_step=False) == own
        stranger.communicate(b"\n", timeout=60)


def test_a_child_counts_and_its_time_stays_when_it_has_ended() -> None:
    own = os.getpid()
    before = measure(own, own)
    code = (
        "import time\nx = b'x' * (50 << 20)\nwhile time.process_time() < 0.3: pass\n"
        "print(1, flush=True)\ninput()"
    )
    child = subprocess.Popen(
        [sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    with child:
        assert child.stdout is not None
        child.stdout.readline()
        during = measure(own, own)
        child.communicate(b"\n", timeout=60)
    after = measure(own, own)

    assert during.memory_bytes > before.memory_bytes + (20 << 20)
    assert during.cpu_s - before.cpu_s > 0.25
    assert after.cpu_s >= during.cpu_s
    assert after.memory_bytes < during.memory_bytes


def test_pages_that_processes_share_count_once() -> None:
    code = """
import os
from tmgg.experiment_utils.sampling.process_tree import measure
block = bytearray(os.urandom(1 << 20)) * 100
alone = measure(os.getpid(), os.getpid()).memory_bytes
reading, writing = os.pipe()
children = []
for _ in range(4):
    pid = os.fork()
    if pid == 0:
        os.close(writing)
        os.read(reading, 1)
        os._exit(0)
    children.append(pid)
together = measure(os.getpid(), os.getpid()).memory_bytes
os.close(writing)
for pid in children:
    os.waitpid(pid, 0)
print(together / alone)
"""
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True
    )
    assert float(done.stdout) < 1.2
