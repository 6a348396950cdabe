"""Runs that are interrupted: by a time limit, by other jobs, again and again."""

import json
import re
from itertools import pairwise

import pytest

from tests.slurm.training import log, smoke, spawn, uninterrupted
from tests.slurm.trial import Trial

STEPS = 1200
EVERY = 50


def test_a_preempted_experiment_of_ones_own_goes_on_where_it_stopped(trial: Trial) -> None:
    trial.settings |= {"partition": "scavenge", "requeue": True}
    run_id = spawn(trial, {"number": 60, "until_asked": True}, target="trials:count_to")
    trial.wait_for_starts(run_id, 1)
    waiting = trial.start("result", run_id)
    preempt(trial)
    result = trial.finish(waiting).answer
    assert result["status"] == "completed", log(trial, run_id)
    assert (result["attempts"], result["metrics"]["attempt"]) == (2, 2)
    assert result["metrics"]["first"] > 0
    assert result["metrics"]["cpus"] >= 1


@pytest.mark.long
@pytest.mark.timeout(600)
def test_a_run_preempted_twice_and_timed_out_ends_as_if_nothing_had_been(trial: Trial) -> None:
    trial.settings |= {
        "partition": "scavenge", "requeue": True, "time_limit": "1", "signal_lead_s": 10,
    }  # fmt: skip
    config = {**smoke(steps=STEPS, checkpoint_every=EVERY), "pace_s": 0.05}
    run_id = spawn(trial, config, target="trials:train_paced")
    waiting = trial.start("result", run_id)
    for attempt in (1, 2):
        trial.wait_until(lambda: progress(trial).get(attempt, 0) > 0, "training to begin", 90)  # noqa: B023
        preempt(trial)
    result = trial.finish(waiting, timeout_s=480).answer
    said = log(trial, run_id)
    assert result["status"] == "completed", said
    assert result["attempts"] >= 4
    assert "asked to save its state and end (time_limit)" in said
    assert len(re.findall(r"\*\*\* JOB .* DUE TO PREEMPTION", said)) == 2
    reached = progress(trial)
    begins = firsts(trial)
    assert list(reached) == list(range(1, result["attempts"] + 1))
    for before, after in pairwise(reached):
        assert 0 <= reached[before] - begins[after] + 1 <= EVERY
    aside = sorted(trial.files(run_id).folder.glob("result.json.before-restart-*"))
    statuses = [json.loads(path.read_text())["status"] for path in aside]
    assert statuses == ["stopped"] * (result["attempts"] - 1)
    alone = uninterrupted(steps=STEPS)
    assert result["metrics"]["steps"] == STEPS
    assert result["metrics"]["val_loss"] == pytest.approx(alone["val_loss"], abs=1e-6)


@pytest.mark.long
@pytest.mark.timeout(600)
def test_where_nodes_have_no_scontrol_the_waiting_side_submits_it_again(trial: Trial) -> None:
    hidden = 'scontrol() { return 127; }; timeout() { shift; "$@"; }'
    trial.settings |= {
        "requeue": True, "time_limit": "1", "signal_lead_s": 10, "setup_commands": [hidden],
    }  # fmt: skip
    run_id = spawn(trial, {"number": 1100}, target="trials:count_to")
    result = trial.result(run_id, timeout_s=300)
    assert result["status"] == "completed", log(trial, run_id)
    assert result["attempts"] >= 2
    assert result["metrics"]["first"] > 0
    assert trial.files(run_id, result["attempts"]).result.exists()


def preempt(trial: Trial) -> None:
    """A job of a better partition that needs all nodes, for a second; returns when it has ended."""
    argv = ["sbatch", "--partition=gpu", "--nodes=4", "--exclusive", "--output=/dev/null", "--wait"]
    trial.login.run(*argv, "--wrap", "sleep 1")


def progress(trial: Trial) -> dict[int, int]:
    """The last step that each attempt noted."""
    return dict(_steps(trial))


def firsts(trial: Trial) -> dict[int, int]:
    """The first step that each attempt noted."""
    return dict(reversed(_steps(trial)))


def _steps(trial: Trial) -> list[tuple[int, int]]:
    try:
        lines = trial.login.read("steps.log").splitlines()
    except FileNotFoundError:
        return []
    return [(int(attempt), int(step)) for attempt, step in (line.split() for line in lines)]
