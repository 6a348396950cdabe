"""A launcher that was stopped while another resumed its sweep collects what the other finished."""

import json
import os

import pytest

from tests.experiment_utils.cloud.slurm.runner.conftest import PLAIN, config
from tests.fakes.slurm.fake import FakeSlurm
from tmgg.experiment_utils.cloud import SlurmRunner
from tmgg.experiment_utils.cloud.runs import SweepMode, TaskRequest
from tmgg.experiment_utils.cloud.sweep.driver import make_sweep
from tmgg.experiment_utils.cloud.sweep.plan import SweepOptions
from tmgg.experiment_utils.cloud.sweep.policy import SweepPolicy
from tmgg.experiment_utils.cloud.sweep.recorded_plan import record_sweep
from tmgg.experiment_utils.cloud.sweep.records import waiting_batch

SWEEP = "20260101-120000-0123abcd"


def requests(count: int) -> list[TaskRequest]:
    return [
        TaskRequest(config=config(word=f"w{number}"), run_id=f"{SWEEP}-{number}")
        for number in range(count)
    ]


# The pretended Slurm runs one element of an array.
@pytest.mark.parametrize(("mode", "count"), [("separate", 3), ("array", 1)])
def test_it_collects_what_the_other_finished(
    runner: SlurmRunner, slurm: FakeSlurm, mode: SweepMode, count: int
) -> None:
    slurm.configure(run_jobs=True)
    policy = SweepPolicy(max_failures=1)
    options = SweepOptions(mode=mode, parallelism=3, policy=policy)
    recorded = record_sweep(runner.runs, requests(count), options)
    stopped = make_sweep(runner.runs, recorded, on_update=None)
    # It is in a container, and was stopped for longer than its lease lasts.
    intent = waiting_batch(runner.output_dir, SWEEP).intent
    intent.write_text(json.dumps(json.loads(intent.read_text()) | {"scope": "a container"}))
    os.utime(intent, (1000, 1000))

    theirs = SlurmRunner(PLAIN).run_sweep(requests(count), mode=mode, resume=True)
    assert [result.error_message for result in theirs] == [None] * count
    jobs = len(slurm.jobs)

    ours = stopped.run()
    assert [(result.status, result.job_id) for result in ours] == [
        (result.status, result.job_id) for result in theirs
    ]
    assert len(slurm.jobs) == jobs
