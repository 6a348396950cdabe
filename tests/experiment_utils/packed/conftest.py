"""Packed runs on this machine: a batch on disk, a warm parent, no Ray and no scheduler."""

import json
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tmgg.experiment_utils.packed.fork_server_client import WarmParent, Warmth
from tmgg.experiment_utils.packed.run_order import Order
from tmgg.experiment_utils.run_folder.batches import BatchedTask, BatchRecord, create_batch
from tmgg.experiment_utils.run_folder.exit_record import ExitRecord, read_exit_record
from tmgg.experiment_utils.run_folder.paths import BatchPaths, RunPaths, SubmissionPaths

JOB = "77"
HERE = Path(__file__).parent
SOURCE = HERE.parents[2] / "src"


@dataclass(frozen=True)
class Batch:
    """A batch of runs of `packed_experiments.py`, and one machine to run them on."""

    folder: Path
    parent: WarmParent

    @property
    def paths(self) -> BatchPaths:
        return BatchPaths(self.folder / "out", "sweep.1")

    def submission(self, run_id: str) -> SubmissionPaths:
        return RunPaths(self.paths.output_dir, run_id).submission(1)

    def order(self, run_id: str, **more: Any) -> Order:
        folder = str(self.submission(run_id).folder)
        return Order(**{"folder": folder, "job_id": JOB, **more})

    def run(self, run_id: str, **more: Any) -> int:
        return self.parent.run(self.order(run_id, **more))

    def record(self, run_id: str) -> ExitRecord | None:
        return read_exit_record(self.submission(run_id))

    def result(self, run_id: str) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.submission(run_id).result.read_text())
        return found


EXPERIMENTS = (
    "ok", "raises", "exits", "dies", "leaves_a_daemon", "holds", "ignores_term", "draws",
    "draws_again", "environment", "sleeps_natively", "at_exit", "stops", "options",
)  # fmt: skip


@pytest.fixture
def batch(tmp_path: Path) -> Iterator[Batch]:
    """One run of each experiment, named as it is."""
    (tmp_path / "packed_experiments.py").write_text((HERE / "packed_experiments.py").read_text())
    paths = BatchPaths(tmp_path / "out", "sweep.1")
    (tmp_path / "out" / ".ended").mkdir(parents=True)
    run = {"backend": "slurm", "base_dir": str(tmp_path), "settings": {}}
    tasks = [
        BatchedTask(run_id=name.replace("_", "-"), submission=1, task=_task(name))
        for name in EXPERIMENTS
    ]
    create_batch(paths, BatchRecord(kind="packed", run=run), tasks, lambda _draft, _final: None)
    warmth = Warmth(
        folder=str(tmp_path),
        output_dir=str(paths.output_dir),
        preload=("packed_experiments", "numpy"),
        python_options=("-O", "-Werror::UserWarning:it's", "-Xint_max_str_digits=5000"),
    )
    environment = {**os.environ, "PYTHONPATH": str(SOURCE), "PYTHONDONTWRITEBYTECODE": "1"}
    parent = WarmParent(warmth, environment)
    yield Batch(tmp_path, parent)
    parent.close()


def _task(name: str) -> dict[str, Any]:
    return {
        "version": 1,
        "run_id": name.replace("_", "-"),
        "target": f"packed_experiments:{name.removesuffix('_again')}",
        "config": {"name": name},
        "timeout_seconds": 1 if name == "sleeps_natively" else None,
    }
