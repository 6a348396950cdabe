"""Sweeps on a site that limits arrays and queues."""

import json
from collections.abc import Iterator

import pytest

from slurm_cluster import Cluster
from tests.slurm.outages import settings
from tests.slurm.test_array_sweeps import arrays, sweep, values
from tests.slurm.trial import Trial
from tmgg.experiment_utils.run_folder.phases import parse_phases

pytestmark = pytest.mark.long


@pytest.fixture
def short_arrays(cluster: Cluster) -> Iterator[None]:
    """MaxArraySize=11: indices 0 to 10."""
    with settings(cluster, MaxArraySize="11"):
        yield


@pytest.fixture
def five_jobs(cluster: Cluster) -> Iterator[None]:
    """The quality of service `tiny` lets a user have five jobs in the queue."""
    limits = {"MaxSubmitJobsPU": "5", "MaxJobsPU": "5"}
    set_limits(cluster, limits)
    yield
    set_limits(cluster, {"MaxSubmitJobsPU": "2", "MaxJobsPU": "1"})


def set_limits(cluster: Cluster, limits: dict[str, str]) -> None:
    pairs = [f"{name}={value}" for name, value in limits.items()]
    argv = ["sacctmgr", "--immediate", "modify", "qos", "tiny", "set", *pairs]
    cluster.machine("ctl").run_as_root(argv)


@pytest.mark.parametrize(("runs", "sbatches"), [(11, 1), (25, 3)])
def test_as_few_arrays_as_the_sites_limit_allows(
    trial: Trial, short_arrays: None, runs: int, sbatches: int
) -> None:
    results = sweep(trial, values(*range(runs)), parallelism=runs)
    assert [result["metrics"] for result in results] == [{"value": x} for x in range(runs)]
    assert len(arrays(trial)) == sbatches


def test_parallelism_holds_over_all_arrays(trial: Trial, short_arrays: None) -> None:
    results = sweep(trial, values(*range(25)), parallelism=2)
    assert [result["status"] for result in results] == ["completed"] * 25
    spans = [span(trial, str(result["run_id"])) for result in results]
    at_once = [sum(begin <= start <= end for begin, end in spans) for start, _end in spans]
    assert max(at_once) <= 2


def span(trial: Trial, run_id: str) -> tuple[float, float]:
    """When the job of a run began and ended, by its own clock."""
    phases = parse_phases(trial.files(run_id).phases.read_text())
    times = {phase.name: phase.at for phase in phases}
    return times["batch_start"], times["batch_end"]


def test_runs_for_which_the_queue_has_no_room_follow_as_others_end(
    trial: Trial, short_arrays: None, five_jobs: None
) -> None:
    trial.settings |= {"qos": "tiny"}
    reply = trial.call(
        "sweep",
        configs=values(*range(25)),
        options={"mode": "array", "parallelism": 25},
        timeout_s=400,
    )
    assert reply.error is None, reply.message
    assert [result["metrics"] for result in reply.answer] == [{"value": x} for x in range(25)]
    assert reply.calls["sbatch"] <= 60
    print(json.dumps(reply.calls))
