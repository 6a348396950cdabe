"""What a call left is written down once, however often that is begun."""

import errno
from pathlib import Path

import pytest

from tmgg.experiment_utils.cloud.modal import delivery
from tmgg.experiment_utils.cloud.modal.delivery import deliver
from tmgg.experiment_utils.cloud.modal.parcel import Envelope
from tmgg.experiment_utils.run_folder.paths import RunPaths, SubmissionPaths

EARLIER = b"of an earlier submission\n"
SAID = b"one line\nanother line\n"


@pytest.fixture
def paths(tmp_path: Path) -> SubmissionPaths:
    paths = RunPaths(tmp_path, "run").submission(2)
    paths.folder.mkdir(parents=True)
    paths.ended.parent.mkdir()
    paths.run_paths.stdout.write_bytes(EARLIER)
    return paths


def envelope(*, exit_record: bool = True) -> Envelope:
    record = {"version": 1, "exit_code": 0} if exit_record else None
    return Envelope(owner="call", stdout=SAID, stderr=b"oh\n", exit_record=record)


def logs(paths: SubmissionPaths) -> tuple[bytes, bytes]:
    return paths.run_paths.stdout.read_bytes(), paths.run_paths.stderr.read_bytes()


def test_a_delivery_that_the_disk_interrupts_is_made_up_for(
    paths: SubmissionPaths, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(path: Path, _data: bytes) -> None:
        raise OSError(errno.ENOSPC, "No space left on device", str(path))

    with monkeypatch.context() as patch:
        patch.setattr(delivery, "write_atomic", full)
        with pytest.raises(OSError, match="No space left"):
            deliver(paths, "call", envelope())
    assert not paths.ended.exists()
    deliver(paths, "call", envelope())
    assert logs(paths) == (EARLIER + SAID, b"oh\n")
    assert paths.ended.exists()


def test_logs_that_arrived_in_part_are_completed(paths: SubmissionPaths) -> None:
    deliver(paths, "call", envelope(exit_record=False))
    paths.run_paths.stdout.write_bytes(EARLIER + SAID[:4])
    deliver(paths, "call", envelope())
    assert logs(paths) == (EARLIER + SAID, b"oh\n")


def test_who_leaves_no_exit_record_is_not_written_down_by_each_who_asks(
    paths: SubmissionPaths,
) -> None:
    for _each in range(3):
        deliver(paths, "call", envelope(exit_record=False))
    assert logs(paths) == (EARLIER + SAID, b"oh\n")


def test_the_next_submission_is_written_after_it(paths: SubmissionPaths) -> None:
    deliver(paths, "call", envelope())
    third = paths.run_paths.submission(3)
    third.folder.mkdir()
    deliver(third, "other call", envelope())
    assert logs(paths) == (EARLIER + SAID + SAID, b"oh\noh\n")
