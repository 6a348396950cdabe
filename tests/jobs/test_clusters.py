"""Several clusters behind one login: a run's own is asked and told, by whoever comes later."""

from pathlib import Path
from typing import Any

import pytest

from tests.fakes.slurm.fake import FakeSlurm
from tests.jobs.conftest import Jobs
from tmgg.errors import ConfigError
from tmgg.experiment_utils.cloud.runs import TaskRequest
from tmgg.experiment_utils.cloud.slurm import cluster_names
from tmgg.experiment_utils.cloud.slurm.config import SlurmConfig
from tmgg.experiment_utils.cloud.slurm.runner import SlurmRunner

PLAIN: dict[str, Any] = {"nodes": 1, "ray_bootstrap": "none"}
CONFIG = {"experiment": {"_target_": "lab:run"}}
ASKED = ("sbatch", "squeue", "sacct", "scontrol", "scancel", "sinfo")


@pytest.fixture
def far(slurm: FakeSlurm) -> FakeSlurm:
    """Another cluster, which gives out the same numbers."""
    return slurm.add_cluster("far")


def spawn(run_id: str, **options: Any) -> None:
    SlurmRunner(SlurmConfig(**PLAIN | options)).spawn_experiment(CONFIG, run_id=run_id)


def by_id(shown: Any) -> dict[str, Any]:
    return {run["run_id"]: run for run in shown.json["runs"]}


def test_each_run_is_asked_for_and_cancelled_where_it_is(
    empty: Path, tmgg_jobs: Jobs, slurm: FakeSlurm, far: FakeSlurm
) -> None:
    spawn("here")
    spawn("there", clusters="far")
    assert list(slurm.jobs) == list(far.jobs)  # the same number twice
    far.change_job(next(iter(far.jobs)), state="RUNNING")

    found = by_id(tmgg_jobs("list", "--all", "--json"))
    assert (found["here"]["status"], found["there"]["status"]) == ("pending", "running")
    assert found["there"]["answered"]
    commands = tmgg_jobs("show", "there", "--json").json["commands"]
    assert [line for line in commands if line.startswith(("squeue", "scancel"))]
    assert all(
        "--clusters=far" in line
        for line in commands
        if line.startswith(("squeue", "sacct", "scontrol", "scancel"))
    )

    assert tmgg_jobs("cancel", "there").code == 0
    assert far.only_job["state"] == "CANCELLED"
    assert slurm.only_job["state"] == "PENDING"
    assert tmgg_jobs("retry", "there").code == 0
    assert [job["state"] for job in far.jobs.values()] == ["CANCELLED", "PENDING"]
    assert len(slurm.jobs) == 1


def test_every_question_about_a_run_elsewhere_goes_there(
    empty: Path, tmgg_jobs: Jobs, slurm: FakeSlurm, far: FakeSlurm
) -> None:
    spawn("there", clusters="far")
    far.forget(next(iter(far.jobs)))
    tmgg_jobs("list", "--all")
    tmgg_jobs("explain", "there")
    asked = [call.argv for call in slurm.calls() if call.argv[0] in ASKED]
    assert {argv[0] for argv in asked} >= {"sbatch", "squeue", "sacct", "scontrol"}
    elsewhere = [argv for argv in asked if argv[1] != "--clusters=far"]
    assert [argv for argv in elsewhere if "hostnames" not in argv] == []


@pytest.mark.parametrize("command", ["there", "two"])
def test_advice_about_a_run_elsewhere_asks_there(
    command: str, empty: Path, tmgg_jobs: Jobs, slurm: FakeSlurm, far: FakeSlurm
) -> None:
    spawn("there", clusters="far")
    runner = SlurmRunner(SlurmConfig(**PLAIN, clusters="far"))
    requests = [TaskRequest(config=CONFIG | {"x": n}, run_id=f"two-{n}") for n in range(2)]
    runner.spawn_sweep(requests, parallelism=2, name="two")
    for job_id in far.jobs:
        far.change_job(job_id, reason="ReqNodeNotAvail")
    told = tmgg_jobs("explain", command)
    assert "`scontrol --clusters=far show reservation`" in told.out
    assert "`sinfo --clusters=far -R`" in told.out


def test_a_cluster_that_there_is_not_is_refused_at_once(empty: Path, slurm: FakeSlurm) -> None:
    runner = SlurmRunner(SlurmConfig(**PLAIN, clusters="nope"))
    results = runner.run_sweep([CONFIG, CONFIG | {"x": 1}])
    assert all("invalid entry for --cluster" in str(each.error_message) for each in results)
    assert len(slurm.calls("sbatch")) == 1
    assert not slurm.calls("squeue")


def test_one_cluster_is_named() -> None:
    with pytest.raises(ConfigError, match="clusters='a,b' must look like 'cm4'"):
        SlurmConfig(clusters="a,b")


def test_of_several_runs_the_cluster_that_is_not_this_one_is_named_and_no_cancel_offered(
    empty: Path, tmgg_jobs: Jobs, slurm: FakeSlurm
) -> None:
    runner = SlurmRunner(SlurmConfig(**PLAIN))
    requests = [TaskRequest(config=CONFIG | {"x": n}, run_id=f"two-{n}") for n in range(2)]
    runner.spawn_sweep(requests, parallelism=2, name="two")
    slurm.configure(cluster="other", jobs={})
    cluster_names._names.clear()
    spawn("here")
    for command in (("list", "--all"), ("explain", "two")):
        told = tmgg_jobs(*command).err
        assert "no answer about 2 of" in told
        assert "2: it was submitted to the cluster" in told
    told = tmgg_jobs("wait", "two", "--timeout", "1s").err
    assert "come back:  tmgg-jobs wait two-0 two-1" in told
    assert "tmgg-jobs cancel" not in told
    assert "2 of them can be cancelled only where they are" in told
    told = tmgg_jobs("wait", "two", "here", "--timeout", "1s").err
    assert "tmgg-jobs cancel here\n" in told
