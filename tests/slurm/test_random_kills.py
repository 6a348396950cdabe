"""A hundred kills at random moments, of all that acts on a sweep, while it is under way.

    python -m pytest -m long -s tests/slurm/test_random_kills.py

prints the seed and what came of it; TMGG_KILL_SEED=SEED kills in the same order again,
TMGG_KILLS the number.
"""

import json
import os
import random
import time
from collections import Counter
from typing import Any

import pytest

from slurm_cluster import MachineProcess
from tests.slurm.trial import Trial, config
from tmgg.experiment_utils.run_folder.paths import RunPaths

SWEEP = "20260101-120000-0123abcd"
RUNS = 20
KILLS = int(os.environ.get("TMGG_KILLS", "100"))
LONGEST_LIFE_S = 5.0
OLD = ("old-0", "old-1", "old-2")
PACKED: dict[str, Any] = {"cpus_per_task": 2, "runs_per_node": 2, "ray_bootstrap": "managed"}
LAB = """
import time
from pathlib import Path
from tmgg.experiment_utils.job.context import current_run

def work(config):
    run = current_run()
    with open("starts.log", "a") as log:
        log.write(f"{run.run_id} {run.attempt}\\n")
    time.sleep(config["duration_s"])
    tried = Path(f"{run.run_id}.tried")
    if config["fails_first"] and not tried.exists():
        tried.touch()
        raise RuntimeError("the first time")
    return {"value": config["value"]}
"""


@pytest.mark.long
@pytest.mark.timeout(900)
@pytest.mark.parametrize("mode", ["separate", "array", "packed"])
def test_each_config_has_one_result_whatever_is_killed(trial: Trial, mode: str) -> None:
    seed = os.environ.get("TMGG_KILL_SEED") or str(random.SystemRandom().randrange(10**6))
    chance = random.Random(seed)
    print(f"\nTMGG_KILL_SEED={seed} mode={mode}")
    trial.login.write("lab.py", LAB)
    trial.settings |= {"poll_interval_s": 1.0, "lost_grace_s": 60.0}
    _make_old_runs(trial)
    trial.settings |= PACKED if mode == "packed" else {}
    kills: Counter[str] = Counter()
    launcher = _launch(trial, mode)
    while kills.total() < KILLS:
        victim = chance.choice(["launcher", "gc", "retry", "list"])
        life_s = chance.uniform(0.0, LONGEST_LIFE_S)
        if victim == "launcher":
            _kill_after(launcher, life_s)
            launcher = _launch(trial, mode)
        else:
            _kill_after(trial.login.start("tmgg-jobs", *_ARGUMENTS[victim]), life_s)
        kills[victim] += 1
    _kill_after(launcher, 0.0)

    results = _finish(trial, mode)
    starts = Counter(trial.login.read("starts.log").splitlines())
    counted = Counter(line.split()[0] for line in starts.elements())
    print(f"kills: {dict(kills)}; starts: {sum(starts.values())}; results: {len(results)}")
    assert [result["metrics"] for result in results] == [{"value": n} for n in range(RUNS)]
    assert [name for name, count in starts.items() if count > 1] == []
    for number, result in enumerate(results):
        run_id = f"{SWEEP}-{number}"
        assert counted[run_id] == (2 if _fails_first(number) else 1), (run_id, starts)
        assert f"{run_id} {result['attempts']}" in starts
    trial.login.run("tmgg-jobs", *_ARGUMENTS["gc"])
    left = {path.name for path in (trial.login.host_folder / "slurm_outputs").iterdir()}
    assert not [name for name in left if name.startswith(OLD) or name.endswith(".removed.tmp")]


_ARGUMENTS = {
    "gc": ("gc", "--yes", "--older-than", "30d"),
    "retry": ("retry", SWEEP),
    "list": ("list", "--all"),
}


def _fails_first(number: int) -> bool:
    return number % 5 == 3


def _sweep(trial: Trial, mode: str) -> dict[str, Any]:
    configs = [
        {
            "run_id": f"{SWEEP}-{number}",
            "config": {
                **config("work"),
                "experiment": {"_target_": "lab:work"},
                "value": float(number),
                "fails_first": _fails_first(number),
                "duration_s": 20.0,
            },
        }
        for number in range(RUNS)
    ]
    return {"configs": configs, "options": {"mode": mode, "parallelism": 2, "resume": True}}


def _launch(trial: Trial, mode: str) -> MachineProcess:
    return trial.start("sweep", **_sweep(trial, mode))


def _kill_after(process: MachineProcess, life_s: float) -> None:
    time.sleep(life_s)  # the random moment
    with process:
        process.kill_group()


def _make_old_runs(trial: Trial) -> None:
    """Runs that `gc` has to remove."""
    for run_id in OLD:
        asked = {"experiment": {"_target_": "lab:work"}, "value": 0, "fails_first": False}
        reply = trial.call("run", run_id, config={**asked, "duration_s": 0})
        assert reply.answer["status"] == "completed"
        folder = trial.login.host_folder / "slurm_outputs"
        at = time.time() - 40 * 86400
        os.utime(RunPaths(folder, run_id).submission(1).verdict, (at, at))


def _finish(trial: Trial, mode: str) -> list[dict[str, Any]]:
    """The results, once all have one; what failed is resumed, as a user would."""
    for _round in range(4):
        reply = trial.call("sweep", timeout_s=500, **_sweep(trial, mode))
        assert reply.error is None, reply.message
        if all(result["status"] == "completed" for result in reply.answer):
            break
    collected = trial.login.run("tmgg-jobs", "collect", SWEEP, "--json", timeout_s=200).stdout
    found: list[dict[str, Any]] = json.loads(collected)["results"]
    assert [result["run_id"] for result in found] == [f"{SWEEP}-{n}" for n in range(RUNS)]
    assert [result["status"] for result in found] == ["completed"] * RUNS
    return found
