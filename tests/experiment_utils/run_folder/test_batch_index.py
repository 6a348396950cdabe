"""Where the runs of batches are found: damaged lists of runs, and batches that were removed."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from tmgg.errors import RecordError
from tmgg.experiment_utils.files.atomic_file import JsonDict
from tmgg.experiment_utils.run_folder.batch_index import (
    expect_batches,
    find_member,
    forget_batches,
    knows_batches,
    read_batched_task,
    withdraw_batch,
)
from tmgg.experiment_utils.run_folder.batches import (
    BatchedTask,
    BatchRecord,
    Member,
    create_batch,
    runs_of_batch,
)
from tmgg.experiment_utils.run_folder.paths import BatchPaths, RunPaths

DAMAGES = ["a/1 0", "a/one 0 5\n", "a/1 x y\n", "a/1 -5 5\n", "a/1 0 5 1 2 3 4\n", "\xff\xfe", "/"]


@pytest.fixture
def batch(tmp_path: Path) -> BatchPaths:
    paths = BatchPaths(tmp_path / "out", "sweep.1")
    make(paths, {"x": 1})
    return paths


def make(paths: BatchPaths, task: JsonDict) -> None:
    record = BatchRecord(kind="array", run={})
    run = BatchedTask(run_id="a", submission=1, task=task)
    create_batch(paths, record, [run], lambda _draft, _final: None)


def test_a_run_is_found_in_its_batch(batch: BatchPaths) -> None:
    member = find_member(RunPaths(batch.output_dir, "a").submission(1))
    assert member is not None
    assert member.task() == {"x": 1}


def removed(batch: BatchPaths) -> None:
    shutil.rmtree(batch.output_dir)
    forget_batches(batch.output_dir)


@pytest.mark.parametrize("remove", [removed, withdraw_batch])
def test_a_batch_that_is_made_under_the_name_of_a_removed_one_is_read(
    batch: BatchPaths, remove: Callable[[BatchPaths], None]
) -> None:
    run = RunPaths(batch.output_dir, "a")
    assert read_batched_task(run) == {"x": 1}
    remove(batch)
    assert find_member(run.submission(1)) is None
    make(batch, {"x": 2, "name": "a longer task"})
    assert read_batched_task(run) == {"x": 2, "name": "a longer task"}


def test_batches_are_expected_to_be_seen_again_until_they_are_forgotten(batch: BatchPaths) -> None:
    expect_batches(batch.output_dir)
    assert knows_batches(batch.output_dir)
    shutil.rmtree(batch.output_dir)
    with pytest.raises(FileNotFoundError):
        expect_batches(batch.output_dir)
    forget_batches(batch.output_dir)
    expect_batches(batch.output_dir)
    assert not knows_batches(batch.output_dir)


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_list_of_runs_is_a_record_error_and_nothing_else(
    batch: BatchPaths, damage: str
) -> None:
    batch.runs.write_bytes(damage.encode("latin-1"))
    with pytest.raises(RecordError, match="runs is damaged"):
        Member(
            batch, runs_of_batch(batch).index(RunPaths(batch.output_dir, "a").submission(1))
        ).task()


def test_a_damaged_batch_is_reported_once(
    batch: BatchPaths, caplog: pytest.LogCaptureFixture
) -> None:
    batch.runs.write_text("nonsense\n")
    for _ in range(3):
        expect_batches(batch.output_dir)
    assert caplog.text.count("is damaged") == 1
