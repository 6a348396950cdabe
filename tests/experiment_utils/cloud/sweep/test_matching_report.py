"""What is said of a resumed sweep before anything is submitted."""

from typing import Any

from tmgg.experiment_utils.cloud.runs import RunState, TaskRequest
from tmgg.experiment_utils.cloud.sweep.matching import Matching
from tmgg.experiment_utils.cloud.sweep.matching_report import render_matching


def said(*recognised: str, total: int, **more: Any) -> list[str]:
    requests = [TaskRequest(config={}, run_id=str(number)) for number in range(total)]
    known = frozenset(recognised)
    return render_matching(Matching(requests=requests, recognised=known, **more))


def state(run_id: str, status: Any, *, final: bool = True) -> RunState:
    return RunState(run_id=run_id, status=status, final=final)


def test_what_is_recognised_is_counted_by_how_it_stands() -> None:
    states = {
        "0": state("0", "completed"),
        "1": state("1", "failed"),
        "2": state("2", "running", final=False),
    }
    lines = said("0", "1", "2", total=5, states=states)
    assert lines == ["resume: 3 of 5 recognised (1 under way, 1 failed); 3 to run"]


def test_runs_with_keys_in_another_order_are_counted_by_the_mappings() -> None:
    lines = said("0", "1", total=2, reordered={"0": ["steps"], "1": ["steps"]})
    assert lines[1:] == ["  2 are recognised, but the order of keys in steps differs"]


def test_runs_of_other_code_count_or_run_again() -> None:
    kept = said("0", total=1, other_code={"0": "a.py"})
    assert kept[1:] == [
        "  1 was made by an earlier version of a.py; rerun_changed_code=true runs such again"
    ]
    left_out = said(total=1, other_code={"0": "a.py"})
    assert left_out[1:] == ["  1 was made by an earlier version of a.py; run again"]
