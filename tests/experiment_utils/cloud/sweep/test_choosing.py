"""Which earlier run a request is: those that do not count are left out before one is chosen."""

from pathlib import Path

import pytest

from tests.experiment_utils.cloud.sweep.test_same_folder import (
    COMPLETED,
    FAILED,
    RUNNING,
    C,
    D,
    asked,
    record,
    states,
)
from tmgg.experiment_utils.cloud.runs import TaskRequest
from tmgg.experiment_utils.cloud.sweep.choosing import Choice, choose
from tmgg.experiment_utils.cloud.sweep.earlier_runs import EarlierRuns
from tmgg.experiment_utils.identity.run_identity import Identity
from tmgg.experiment_utils.run_folder.removed_runs import note_removal
from tmgg.experiment_utils.run_folder.sweeps import SweepRecord

E = "/sweeps/e"
TODAY, BEFORE = "today's", "an earlier"


class Runs(EarlierRuns):
    """Runs whose records are not on a disk; by default of an earlier version of the code."""

    def __init__(self, folder: Path, codes: dict[str, str], **known: dict[str, object]) -> None:
        super().__init__(folder, states(**known))
        self._codes = codes

    def as_run(self, run_id: str) -> Identity | None:
        return Identity(key="", program="p", source=self._codes.get(run_id, BEFORE))


def request(run_id: str, key: str = "1", folder: str | None = None) -> TaskRequest:
    known = asked(run_id, key, folder)
    identity = Identity(key=key, program="p", sweep_folder=folder, source=TODAY)
    return TaskRequest(config=known.config, run_id=run_id, identity=identity)


def chosen(
    runs: Runs, records: list[SweepRecord], *requests: TaskRequest, rerun: bool = True
) -> Choice:
    free = {run.run_id for each in records for run in each.runs}
    return choose(runs, records, requests, free, base_dir=runs.output_dir, rerun_changed_code=rerun)


@pytest.mark.parametrize("folder", [D, None])
def test_a_run_by_todays_code_counts_though_the_folders_or_newest_run_is_by_another(
    tmp_path: Path, folder: str | None
) -> None:
    records = [record("E", 1, e0=("1", E)), record("D", 2, d0=("1", D))]
    runs = Runs(tmp_path, {"e0": TODAY}, d0=COMPLETED, e0=COMPLETED)
    assert chosen(runs, records, request("n", folder=folder)) == Choice(earlier={"n": "e0"})
    kept = chosen(runs, records, request("n", folder=folder), rerun=False)
    assert kept == Choice(earlier={"n": "d0"})


def test_a_run_by_todays_code_that_goes_on_counts_before_an_old_one_that_completed(
    tmp_path: Path,
) -> None:
    records = [
        record("C", 1, c0=("1", C)),
        record("old", 2, e0=("1", E)),
        record("new", 3, e1=("1", E)),
    ]
    known = {"c0": FAILED, "e0": COMPLETED, "e1": RUNNING}
    runs = Runs(tmp_path, {"e1": TODAY}, **known)
    assert chosen(runs, records, request("n", folder=C)).earlier == {"n": "e1"}


def test_code_that_was_changed_back_finds_the_runs_that_it_made(tmp_path: Path) -> None:
    records = [record(name, at, **{f"{name}0": ("1", "")}) for at, name in enumerate("abc")]
    runs = Runs(tmp_path, {"a0": TODAY}, a0=COMPLETED, b0=COMPLETED, c0=COMPLETED)
    assert chosen(runs, records, request("n")).earlier == {"n": "a0"}


def test_a_run_by_another_code_that_failed_is_submitted_again(tmp_path: Path) -> None:
    runs = Runs(tmp_path, {}, a0=FAILED)
    found = chosen(runs, [record("a", 1, a0=("1", ""))], request("n"))
    assert found == Choice(earlier={"n": "a0"})


def test_where_all_are_by_another_code_the_request_is_a_new_run(tmp_path: Path) -> None:
    records = [record("a", 1, a0=("1", "")), record("b", 2, b0=("1", ""))]
    runs = Runs(tmp_path, {}, a0=RUNNING, b0=COMPLETED)
    assert chosen(runs, records, request("n")) == Choice(other_code={"n": "b0"})


def test_equal_contents_get_runs_of_older_sweeps_where_the_newest_has_too_few(
    tmp_path: Path,
) -> None:
    records = [
        record("a", 1, a0=("1", ""), a1=("1", "")),
        record("b", 2, a0=("1", ""), b1=("2", "")),
    ]
    requests = (request("n"), request("m"), request("o"))
    found = chosen(Runs(tmp_path, {}), records, *requests, rerun=False)
    assert found == Choice(earlier={"n": "a0", "m": "a1"})


def test_where_the_newest_run_was_removed_an_older_one_counts(tmp_path: Path) -> None:
    records = [record("a", 1, a0=("1", "")), record("b", 2, b0=("1", ""))]
    runs = Runs(tmp_path, {})
    runs.paths("b0").ended_folder.mkdir(parents=True)
    note_removal(runs.paths("b0"))
    assert chosen(runs, records, request("n"), rerun=False) == Choice(earlier={"n": "a0"})
    note_removal(runs.paths("a0"))
    assert chosen(runs, records, request("n"), rerun=False) == Choice(removed={"n": "b0"})
