"""What `tmgg-jobs top` sees."""

import os
import time
from pathlib import Path

from tests.fakes.slurm.fake import FakeSlurm
from tests.jobs.conftest import BAD, GOOD, submit, task
from tmgg.cli.top.snapshot import RECENT_S, Looker
from tmgg.experiment_utils.cloud.local.config import LocalConfig
from tmgg.experiment_utils.cloud.local.runner import LocalRunner
from tmgg.experiment_utils.cloud.runs import TaskRequest


def test_sweeps_are_groups_and_the_other_runs_one_more(here: Path) -> None:
    runner = LocalRunner(LocalConfig())
    sweep = runner.spawn_sweep([TaskRequest(config=task("good"), title="lr=1")], name="mine")
    runner.get_result(sweep.run_ids[0])
    seen = Looker().look()
    assert [group.listed.name if group.listed else "" for group in seen.groups] == ["mine", ""]
    assert [*seen.groups[0].titles.values()] == ["lr=1"]
    others = {run.run_id: run for run in seen.groups[1].runs}
    assert others[BAD].has_failed
    assert not others[GOOD].has_failed
    assert not others[GOOD].is_open
    assert seen.run(others[GOOD].key) is others[GOOD]


def test_what_ended_more_than_a_day_ago_is_shown_on_request(here: Path) -> None:
    long_ago = time.time() - RECENT_S - 60
    for verdict in here.glob("local_outputs/*/1/verdict.json"):
        os.utime(verdict, (long_ago, long_ago))
    assert Looker().look().groups == []
    assert len(Looker(show_old=True).look().groups[0].runs) == 3


def test_a_look_is_one_question_for_all_jobs(empty: Path, slurm: FakeSlurm) -> None:
    for number in range(3):
        submit(f"run-{number}", poll_interval_s=1)
    before = len(slurm.calls("squeue")) + len(slurm.calls("sacct"))
    seen = Looker().look()
    assert len(seen.groups[0].runs) == 3
    assert len(slurm.calls("squeue")) + len(slurm.calls("sacct")) - before <= 2
