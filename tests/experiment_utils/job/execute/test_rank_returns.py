"""Rank 0 speaks for the run: what the others return is looked at by nobody."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.experiment_utils.job.execute.conftest import write_task
from tmgg.experiment_utils.run_folder.paths import SubmissionPaths

RUN = (
    "import sys; from tmgg.experiment_utils.job.context import Rank; "
    "from tmgg.experiment_utils.job.execute import execute_task; "
    "sys.exit(execute_task(sys.argv[1], rank=Rank(rank=int(sys.argv[2]), world_size=2)))"
)


@pytest.mark.parametrize(("rank", "status"), [(0, "failed"), (1, "completed")])
def test_a_return_that_is_no_number_is_a_failure_of_rank_0_only(
    folder: Path, paths: SubmissionPaths, rank: int, status: str
) -> None:
    write_task(paths, "text")
    (paths.ranks / str(rank)).mkdir(parents=True)  # as rank 0's supervisor does
    argv = [sys.executable, "-c", RUN, str(paths.folder), str(rank)]
    done = subprocess.run(argv, cwd=folder, capture_output=True, text=True, check=False)
    result = json.loads((paths.ranks / str(rank) / "result.json").read_text())
    assert (result["status"], result["metrics"]) == (status, {}), done.stderr
    assert not paths.result.exists()
