"""`partition=auto`: the earliest that fits is taken, said and on record."""

import logging
from pathlib import Path
from typing import Any

import pytest

from tests.fakes.slurm.fake import FakeSlurm
from tmgg.errors import QueryError, RefusedError
from tmgg.experiment_utils.cloud.slurm.config import SlurmConfig
from tmgg.experiment_utils.cloud.slurm.runner import SlurmRunner

CONFIG = {"experiment": {"_target_": "lab:run"}}


def runner(**options: Any) -> SlurmRunner:
    plain: dict[str, Any] = {
        "partition": "auto", "nodes": 1, "cpus_per_task": 2, "mem_per_cpu": "1GB",
        "gpus_per_task": 0, "ray_bootstrap": "none",
    }  # fmt: skip
    return SlurmRunner(SlurmConfig(**plain | options))


def test_the_earliest_is_taken_said_and_on_record(
    slurm: FakeSlurm, folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    slurm.configure(starts={"gpu": "2026-11-24T08:00:00", "batch": "2026-11-23T23:00:00"})
    with caplog.at_level(logging.WARNING):
        found = runner()
    found.spawn_experiment(CONFIG, run_id="r")
    assert slurm.only_job["options"]["partition"] == "batch"
    assert found.runs.traits.settings["partition"] == "batch"
    assert (
        "slurm_partition=auto takes batch: Slurm would start the job there at 2026-11-23 23:00 "
        "(others: gpu 2026-11-24 08:00)" in caplog.text
    )


def test_of_several_at_one_time_it_is_one_that_is_not_preempted_then_the_default(
    slurm: FakeSlurm, folder: Path
) -> None:
    slurm.configure(partitions=["gpu", "batch", "own"])
    assert runner().config.partition == "gpu"
    slurm.configure(
        settings={"PreemptType": "preempt/partition_prio"},
        partition_settings={"gpu": {"PreemptMode": "REQUEUE"}},
    )
    assert runner().config.partition == "batch"


def test_a_partition_without_gpus_or_that_is_down_is_not_asked_about(
    slurm: FakeSlurm, folder: Path
) -> None:
    bare = "node1|4|64000|(null)|idle|(null)"
    slurm.configure(
        partitions=["cpu", "gpu", "old"],
        nodes={"cpu": [bare], "gpu": [bare.replace("(null)", "gpu:2", 1)], "old": [bare]},
        partition_settings={"old": {"State": "DOWN"}},
    )
    assert runner(gpus_per_task=1).config.partition == "gpu"
    assert len(slurm.calls("sbatch")) == 2


def test_where_none_may_be_named_the_site_chooses(slurm: FakeSlurm, folder: Path) -> None:
    slurm.add_rule("partition", "Leave --partition out.")
    assert runner().config.partition is None


def test_what_is_refused_everywhere_is_refused_once_in_the_sites_words(
    slurm: FakeSlurm, folder: Path
) -> None:
    slurm.add_rule("account", "Name an account.", allowed=())
    with pytest.raises(RefusedError, match="in every partition") as caught:
        runner()
    assert "gpu: Name an account." in str(caught.value)
    assert len(str(caught.value).splitlines()) <= 5


@pytest.mark.parametrize("broken", ["scontrol", "sbatch --test-only"])
def test_where_nothing_can_be_learned_one_must_be_named(
    broken: str, slurm: FakeSlurm, folder: Path
) -> None:
    slurm.break_command(broken, times=None, exit_code=1, stderr="Socket timed out")
    with pytest.raises(QueryError, match="Name one instead, as in slurm_partition=gpu"):
        runner()


def test_a_partition_that_is_called_so_is_meant(slurm: FakeSlurm, folder: Path) -> None:
    slurm.configure(partitions=["gpu", "auto"])
    assert runner().config.partition == "auto"
