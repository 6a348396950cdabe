"""Which run of one content counts, where a launch names a folder that earlier sweeps had."""

from pathlib import Path

import pytest

from tmgg.experiment_utils.cloud.runs import RunState, TaskRequest
from tmgg.experiment_utils.cloud.sweep.earlier_runs import EarlierRuns, StatesOf
from tmgg.experiment_utils.cloud.sweep.same_folder import (
    InFolders,
    match_in_folders,
    sweep_folder_of,
)
from tmgg.experiment_utils.identity.run_identity import Identity
from tmgg.experiment_utils.run_folder.sweeps import SweepRecord, SweepRun

C, D = "/sweeps/c", "/sweeps/d"
COMPLETED = {"status": "completed", "final": True}
FAILED = {"status": "failed", "final": True}
RUNNING = {"status": "running", "final": False}


def asked(run_id: str, key: str, folder: str | None = C) -> TaskRequest:
    return TaskRequest(
        config={}, run_id=run_id, identity=Identity(key=key, program="p", sweep_folder=folder)
    )


def record(sweep_id: str, created_at: float, **runs: tuple[str, str]) -> SweepRecord:
    return SweepRecord(
        sweep_id=sweep_id,
        backend="local",
        mode="separate",
        parallelism=1,
        policy={},
        created_at=created_at,
        runs=[
            SweepRun(run_id=run_id, key=key, program="p", sweep_folder=folder)
            for run_id, (key, folder) in runs.items()
        ],
    )


def states(**known: dict[str, object]) -> StatesOf:
    return lambda run_ids: [RunState(run_id=each, **known[each]) for each in run_ids]  # type: ignore[arg-type]


def match(
    records: list[SweepRecord],
    states_of: StatesOf,
    *requests: TaskRequest,
    launched: tuple[str, ...] = (),
) -> InFolders:
    existing = {run.run_id for each in records for run in each.runs}
    runs = EarlierRuns(Path("/nowhere"), states_of, launched=launched)
    return match_in_folders(runs, records, requests, existing)


@pytest.mark.parametrize("own", [COMPLETED, RUNNING])
def test_a_run_of_the_folder_counts_though_a_newer_sweep_elsewhere_completed_it(
    own: dict[str, object],
) -> None:
    records = [record("C", 1, c0=("1", C)), record("D", 2, d0=("1", D))]
    found = match(records, states(c0=own, d0=COMPLETED), asked("n", "1"))
    assert found.matched == {"n": "c0"}


@pytest.mark.parametrize("other", [COMPLETED, RUNNING])
def test_what_another_folder_completed_or_has_under_way_is_not_run_twice(
    other: dict[str, object],
) -> None:
    records = [record("D", 1, d0=("1", D), d1=("2", D)), record("C", 2, c0=("1", C))]
    found = match(records, states(c0=FAILED, d0=other, d1=other), asked("n", "1"), asked("m", "2"))
    assert found.matched == {"n": "d0", "m": "d1"}


def test_one_that_completed_is_taken_before_one_that_goes_on() -> None:
    records = [
        record("D", 1, d0=("1", D)),
        record("C", 2, c0=("1", C)),
        record("E", 3, e0=("1", "/sweeps/e")),
    ]
    found = match(records, states(c0=FAILED, d0=COMPLETED, e0=RUNNING), asked("n", "1"))
    assert found.matched == {"n": "d0"}


def test_what_completed_nowhere_runs_in_the_folder_of_the_launch() -> None:
    records = [
        record("C", 1, c0=("1", C)),
        record("D", 2, d0=("1", D), d1=("2", D)),
    ]
    requests = (asked("n", "1"), asked("m", "2"))
    found = match(records, states(c0=FAILED, d0=FAILED, d1=FAILED), *requests)
    assert found.matched == {"n": "c0"}
    assert found.anew == {"m": D}
    assert found.settled == {"n", "m"}


def test_where_no_earlier_sweep_had_the_folder_nothing_is_decided() -> None:
    records = [record("D", 2, d0=("1", D))]
    assert match(records, states(d0=COMPLETED), asked("n", "1")) == InFolders()
    assert match(records, states(d0=COMPLETED), asked("n", "1", None)) == InFolders()


def test_runs_of_earlier_batches_of_the_launch_are_of_no_earlier_sweep() -> None:
    records = [record("D", 1, d0=("1", D)), record("C", 2, c0=("2", C))]
    known = states(c0=COMPLETED, d0=FAILED)
    assert match(records, known, asked("n", "1"), launched=("c0",)) == InFolders()
    found = match([*records, record("E", 3, e0=("3", C))], known, asked("n", "1"), launched=("c0",))
    assert found.settled == {"n"}


def test_equal_contents_get_different_runs() -> None:
    records = [
        record("C", 1, c0=("1", C), c1=("1", C)),
        record("D", 2, d0=("1", D), d1=("1", D)),
    ]
    requests = (asked("n", "1"), asked("m", "1"), asked("o", "1"))
    known = states(c0=COMPLETED, c1=FAILED, d0=FAILED, d1=COMPLETED)
    assert match(records, known, *requests).matched == {"n": "c0", "m": "d1"}


def test_a_run_that_a_resumed_sweep_of_the_folder_only_lists_is_the_other_folders() -> None:
    records = [
        record("D", 1, d0=("1", D)),
        record("C", 2, c0=("1", C)),
        record("again", 3, d0=("1", D)),
    ]
    found = match(records, states(c0=COMPLETED, d0=COMPLETED), asked("n", "1"))
    assert found.matched == {"n": "c0"}


def test_an_older_record_tells_its_sweep_folder_by_that_of_the_job() -> None:
    known = Identity(key="1", program="p", folder=f"{C}/lr=1/0")
    assert sweep_folder_of(known, C) == C
    assert sweep_folder_of(known, D) == f"{C}/lr=1"
    assert sweep_folder_of(Identity(key="1", program="p"), C) is None


def test_the_folder_of_an_older_record_may_have_dots_in_it() -> None:
    known = Identity(key="1", program="p", folder="/work/../sweeps/c/0")
    assert sweep_folder_of(known, C) == C
