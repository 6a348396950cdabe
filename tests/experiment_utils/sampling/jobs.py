"""Runs whose job side samples what they use, in a process of their own."""

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

from tmgg.experiment_utils.files.atomic_file import write_json
from tmgg.experiment_utils.run_folder.paths import RunPaths, SubmissionPaths
from tmgg.experiment_utils.run_folder.registry import RunRecord
from tmgg.experiment_utils.run_folder.task import TaskInput

ENTRY = (
    "from tmgg.experiment_utils.job.execute import execute_task; raise SystemExit(execute_task())"
)
LIMIT_S = 120


def run_in_job(
    folder: Path,
    lab: str,
    *,
    settings: dict[str, Any] | None = None,
    environment: Mapping[str, str] = MappingProxyType({}),
) -> SubmissionPaths:
    """Execute `lab:train` as a job would; the submission's paths, once it has ended."""
    paths = RunPaths(folder / "runs", "run").submission(1)
    paths.folder.mkdir(parents=True, mode=0o700)
    (folder / "lab.py").write_text(lab)
    record = RunRecord(
        run_id="run",
        backend="local",
        created_at=1.0,
        base_dir=str(folder),
        host="here",
        settings=settings or {},
    )
    task = TaskInput(run_id="run", target="lab:train", config={}, timeout_seconds=None)
    write_json(paths.run_paths.run, record.to_json())
    write_json(paths.run_paths.task, task.to_json())
    subprocess.run(
        [sys.executable, "-c", ENTRY, str(paths.folder)],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(folder), **environment},
        timeout=LIMIT_S,
        check=False,
    )
    return paths


def read(path: Path) -> Any:
    return json.loads(path.read_text())
