"""Failures of several runs are told by cause, of states and of results alike."""

from tmgg.console.causes import group_by_cause, render_causes
from tmgg.experiment_utils.cloud.runs import ExperimentResult, RunState
from tmgg.experiment_utils.run_folder.failures import failure


def test_states_and_results_that_differ_in_numbers_and_names_are_one_cause() -> None:
    state = RunState(
        run_id="r-1",
        status="failed",
        final=True,
        nodes="node1",
        failure=failure("node_fail", "node1 died under r-1 after 17 s"),
    )
    result = ExperimentResult(
        run_id="r-2",
        config={},
        status="failed",
        nodes=["node2", "node3"],
        failure=failure("node_fail", "node3 died under r-2 after 4.5 s"),
    )
    (cause,) = group_by_cause([state, result])
    assert cause.run_ids == ["r-1", "r-2"]


def test_a_cause_has_the_evidence_of_its_first_run_only() -> None:
    states = [
        RunState(run_id=name, status="failed", final=True, failure=failure("timeout", "too long"))
        for name in ("a", "b")
    ]
    told = render_causes(
        group_by_cause(states), ["lr=1", "b"], evidence=lambda place: [f"line {'ab'[place]}"]
    )
    assert told.splitlines()[:4] == ["2 failed (timeout: too long)", "  lr=1", "  b", "    line a"]
    assert "line b" not in told


def test_a_cause_whose_runs_differ_in_numbers_says_that_its_words_are_an_example() -> None:
    def told(*values: int) -> str:
        states = [
            RunState(
                run_id=f"r-{n}",
                status="failed",
                final=True,
                failure=failure("user_error", f"bad {n}"),
            )
            for n in values
        ]
        return render_causes(group_by_cause(states)).splitlines()[0]

    assert told(1, 2) == "2 failed (user_error, for example: bad 1)"
    assert told(1, 1) == "2 failed (user_error: bad 1)"


def test_a_cause_stands_above_the_runs_that_were_not_started_because_of_it() -> None:
    why = failure("cancelled", "It was not started: the sweep ended.", hint="reason_given")
    unstarted = [
        RunState(run_id=name, status="failed", final=True, failure=why) for name in ("b", "c")
    ]
    failed = RunState(
        run_id="a", status="failed", final=True, failure=failure("user_error", "The loss is purple")
    )

    causes = group_by_cause([*unstarted, failed])

    assert [cause.run_ids for cause in causes] == [["a"], ["b", "c"]]
    assert "Somebody" not in render_causes(causes)
