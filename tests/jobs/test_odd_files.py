"""Pipes and devices in the place of a run's logs: no command blocks or fills its memory."""

import os
from pathlib import Path

import pytest

from tests.jobs.conftest import BAD, Jobs
from tmgg.experiment_utils.run_folder.paths import RunPaths


@pytest.mark.timeout(120)
@pytest.mark.parametrize("kind", ["pipe", "device"])
def test_no_command_waits_for_what_never_comes(here: Path, tmgg_jobs: Jobs, kind: str) -> None:
    run = RunPaths(here / "local_outputs", BAD)
    for path in (run.stdout, run.stderr, run.submission(1).phases):
        path.unlink()
        if kind == "pipe":
            os.mkfifo(path)
        else:
            path.symlink_to("/dev/zero")
    run.submission(1).verdict.unlink(missing_ok=True)

    for command in (["list", "--all"], ["explain", BAD], ["show", BAD], ["collect", BAD]):
        assert "user_error" in tmgg_jobs(*command).out
    logs = tmgg_jobs("logs", BAD)
    assert logs.code != 0
    assert "not a plain file" in logs.err
