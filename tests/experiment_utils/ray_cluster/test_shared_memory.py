import os
import secrets
import time
from collections.abc import Iterator
from multiprocessing import shared_memory as stdlib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tmgg.experiment_utils.ray_cluster.shared_memory import (
    parse_segments,
    remove_segments,
    segments_of,
)
from tmgg.experiment_utils.supervisor.processes import parse_stat


@pytest.fixture
def segment() -> Iterator[Path]:
    """As multiprocessing, or torch, makes one."""
    made = stdlib.SharedMemory(create=True, size=4096)
    yield Path("/dev/shm", made.name)
    made.close()
    Path("/dev/shm", made.name).touch()
    made.unlink()


def test_a_segment_that_a_process_has_mapped_is_found_and_removed(segment: Path) -> None:
    assert segment in segments_of([os.getpid()])
    remove_segments([segment], since=time.time() - 60)
    assert not segment.exists()


def test_a_segment_older_than_the_job_is_left(segment: Path) -> None:
    remove_segments([segment], since=time.time() + 60)
    assert segment.exists()


def test_other_files_there_are_peoples_own() -> None:
    own = Path("/dev/shm", f"my-data-{secrets.token_hex(4)}")
    with own.open("w+b"):
        assert own not in segments_of([os.getpid()])
    own.unlink()


def test_the_kernels_lists_are_read() -> None:
    text = (
        "7f0000000000-7f0000001000 rw-s 00000000 00:19 3    /dev/shm/torch_12_345_0\n"
        "7f0000002000-7f0000003000 rw-s 00000000 00:19 4    /dev/shm/psm_1 (deleted)\n"
        "7f0000004000-7f0000005000 r-xp 00000000 08:01 5    /usr/lib/libc.so.6\n"
        "/dev/shm/sem.mp-abc\n"
    )
    assert parse_segments(text) == {"/dev/shm/torch_12_345_0", "/dev/shm/sem.mp-abc"}


@given(name=st.text(min_size=1, max_size=15), parent=st.integers(0, 2**22))
def test_a_process_is_read_whatever_it_calls_itself(name: str, parent: int) -> None:
    assert parse_stat(f"12 ({name}) S {parent} 5 5 0 -1") == (parent, name)
