"""Two processes that submit the same sweep: one does it, and the other is told by whom."""

import functools
import itertools
import os
import re
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.fakes.slurm.fake import FakeSlurm
from tmgg.errors import RunExistsError, SubmissionError
from tmgg.experiment_utils.cloud.runs import SweepMode, TaskRequest
from tmgg.experiment_utils.cloud.slurm import backend as slurm_backend
from tmgg.experiment_utils.cloud.slurm.config import SlurmConfig
from tmgg.experiment_utils.cloud.slurm.runner import SlurmRunner
from tmgg.experiment_utils.cloud.slurm.submit import batch_submission
from tmgg.experiment_utils.cloud.sweep import records as sweep_records
from tmgg.experiment_utils.files.atomic_file import write_json
from tmgg.experiment_utils.run_folder.evidence_token import read_token
from tmgg.experiment_utils.run_folder.paths import RunPaths
from tmgg.experiment_utils.run_folder.registry import Intent, new_intent
from tmgg.experiment_utils.run_folder.task import TaskOutput

CONFIG = {"experiment": {"_target_": "lab:run"}}
SWEEP = "20260101-120000-0123abcd"
OTHER = re.escape(f"another process ({os.getpid()} on {socket.gethostname()}) submits ")


def runner(mode: SweepMode) -> SlurmRunner:
    return SlurmRunner(SlurmConfig(nodes=1, ray_bootstrap="none", sweep_mode=mode))


def requests(prefix: str = f"{SWEEP}-", count: int = 2) -> list[TaskRequest]:
    return [
        TaskRequest(config={**CONFIG, "x": number}, run_id=f"{prefix}{number}")
        for number in range(count)
    ]


def fail(mine: SlurmRunner, run_id: str) -> None:
    paths = RunPaths(mine.output_dir, run_id).submission(1)
    paths.folder.mkdir(parents=True, exist_ok=True)
    token = read_token(paths)
    output = TaskOutput(run_id=run_id, status="failed", submission=1, token=token)
    write_json(paths.result, output.to_json())
    paths.ended.parent.mkdir(exist_ok=True)
    ended = {"version": 1, "token": token, "job_id": "1", "restart": 0, "stage": "entrypoint"}
    write_json(paths.ended, {**ended, "signal": "", "exit_code": 1, "entrypoint_exit_code": 1})


Overtaken = Callable[..., None]


@pytest.fixture
def overtaken_in(monkeypatch: pytest.MonkeyPatch) -> Overtaken:
    """Let somebody else act while `module` writes the files of a submission, its n-th."""

    def overtaken(module: Any, action: Callable[[], object], *, submission: int = 1) -> None:
        calls = itertools.count(1)

        def slow(*_place: object) -> Intent:
            if next(calls) == submission:
                monkeypatch.setattr(module, "new_intent", new_intent)
                action()
            return new_intent()

        monkeypatch.setattr(module, "new_intent", slow)

    return overtaken


def test_of_two_that_launch_a_sweep_at_once_one_is_told_and_spoils_nothing(
    slurm: FakeSlurm, folder: Path, overtaken_in: Overtaken
) -> None:
    mine, other = runner("array"), runner("array")
    overtaken_in(sweep_records, lambda: other.spawn_sweep(requests()))
    with pytest.raises(RunExistsError, match=f"{OTHER}sweep {SWEEP}, too.*tmgg-jobs wait {SWEEP}"):
        mine.spawn_sweep(requests())
    assert len(slurm.submissions()) == 1
    waiting = sweep_records.waiting_batch(mine.output_dir, SWEEP)
    assert len(waiting.runs.read_text().splitlines()) == 2


def test_of_two_that_resume_a_sweep_at_once_one_waits_for_the_others_runs(
    slurm: FakeSlurm, folder: Path, overtaken_in: Overtaken
) -> None:
    mine, other = runner("array"), runner("array")
    run_ids = mine.spawn_sweep(requests()).run_ids
    for run_id in run_ids:
        fail(mine, run_id)
    overtaken_in(batch_submission, lambda: other.spawn_sweep(requests(), resume=True))
    sweep = mine.spawn_sweep(requests(), resume=True)
    assert sweep.refused == {}
    assert len(slurm.submissions()) == 2
    assert [state.attempt for state in other.poll(run_ids)] == [2, 2]


def test_a_run_that_somebody_else_retries_meanwhile_is_left_to_it(
    slurm: FakeSlurm, folder: Path, overtaken_in: Overtaken
) -> None:
    mine, other = runner("array"), runner("array")
    mine.spawn_sweep(requests("r"))
    fail(mine, "r0")
    overtaken_in(batch_submission, lambda: other.retry("r0"))
    sweep = mine.spawn_sweep(requests("r"), resume=True)
    assert sweep.refused == {}
    assert len(slurm.submissions()) == 2
    assert [state.status for state in other.poll(["r0", "r1"])] == ["pending", "pending"]


def test_two_that_resume_runs_by_themselves_share_them(
    slurm: FakeSlurm, folder: Path, overtaken_in: Overtaken
) -> None:
    mine, other = runner("separate"), runner("separate")
    mine.spawn_sweep(requests("r", 1))
    fail(mine, "r0")
    # The first is that of a new run, which comes to nothing.
    resume = functools.partial(other.spawn_sweep, requests("r", 1), resume=True)
    overtaken_in(slurm_backend, resume, submission=2)
    sweep = mine.spawn_sweep(requests("r", 1), resume=True)
    assert sweep.refused == {}
    assert len(slurm.submissions()) == 2
    assert mine.poll(["r0"])[0].attempt == 2


def test_a_batch_that_the_disk_does_not_take_is_still_reported_as_that(
    slurm: FakeSlurm, folder: Path
) -> None:
    (folder / "slurm_outputs").mkdir()
    (folder / "slurm_outputs" / ".batches").write_text("")
    with pytest.raises(SubmissionError, match=r"cannot be written in .*Set another output_dir"):
        runner("array").spawn_sweep(requests())
    assert slurm.submissions() == []
