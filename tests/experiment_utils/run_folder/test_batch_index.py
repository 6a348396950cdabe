"""A batch whose list of runs is damaged: said once, and in words."""

from pathlib import Path

import pytest

from tmgg.errors import RecordError
from tmgg.experiment_utils.run_folder.batch_index import expect_batches, find_member
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
    record = BatchRecord(kind="array", run={})
    task = BatchedTask(run_id="a", submission=1, task={"x": 1})
    create_batch(paths, record, [task], lambda _draft, _final: None)
    return paths


def test_a_run_is_found_in_its_batch(batch: BatchPaths) -> None:
    member = find_member(RunPaths(batch.output_dir, "a").submission(1))
    assert member is not None
    assert member.task() == {"x": 1}


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
