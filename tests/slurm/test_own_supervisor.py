"""Runs that kill what supervises them: the end is told, with what is known of it."""

from typing import Any

import pytest

from tests.slurm.trial import SMALL, Trial

LAB = """
import os, signal, time
from pathlib import Path
from tmgg.experiment_utils.job.context import current_run

def job_script():
    for process in Path("/proc").glob("[0-9]*"):
        if b"slurm_script" in (process / "cmdline").read_bytes():
            return int(process.name)

VICTIMS = {"script": job_script, "parent": os.getppid, "group": lambda: 0, "all": lambda: -1}

def work(config):
    victim = config["victim"]
    with open("starts.log", "a") as log:
        log.write(f"{config['number']} {current_run().attempt}\\n")
    if victim is not None:
        time.sleep(config["wait_s"])
        os.kill(VICTIMS[victim](), signal.SIGKILL)
        time.sleep(60)
    return {"number": config["number"]}
"""
PACKED = {"cpus_per_task": 2, "runs_per_node": 2, "ray_bootstrap": "managed"}
# Who kills all that is the user's on a node must meet no other run there.
A_NODE_EACH = {"exclusive": True}
# The parent of an experiment alone in its job is Slurm's own, which a user cannot kill.
VICTIMS = ("script", "group", "all")


def _configs(*victims: str | None, wait_s: float = 0.0) -> list[dict[str, Any]]:
    return [
        {"experiment": {"_target_": "lab:work"}, "number": n, "victim": victim, "wait_s": wait_s}
        for n, victim in enumerate(victims)
    ]


def _sweep(trial: Trial, *victims: str | None, mode: str, **more: float) -> list[dict[str, Any]]:
    trial.login.write("lab.py", LAB)
    trial.settings = {**SMALL, "poll_interval_s": 1.0, "lost_grace_s": 20.0}
    trial.settings |= PACKED if mode == "packed" else A_NODE_EACH
    options = {"mode": mode, "parallelism": 10}
    configs = _configs(*victims, **more)
    reply = trial.call("sweep", configs=configs, options=options, timeout_s=300)
    assert reply.error is None, reply.message
    return list(reply.answer)


def _words(result: dict[str, Any]) -> str:
    failure = result["failure"] or {"kind": "", "message": ""}
    return f"{result['status']} {failure['kind']}: {failure['message']}"


@pytest.mark.long
@pytest.mark.parametrize("mode", ["separate", "array"])
def test_a_run_that_kills_its_supervisor_fails_and_says_by_which_signal(
    trial: Trial, mode: str
) -> None:
    results = _sweep(trial, *VICTIMS, None, mode=mode)
    for victim, result in zip(VICTIMS, results, strict=False):
        words = _words(result)
        print(victim, words)
        assert result["status"] == "failed", words
        assert "SIGKILL" in words or ":9" in words or "137" in words, words
        assert "memory" not in words, words
    assert results[3]["status"] == "completed", _words(results[3])
    assert sorted(trial.login.read("starts.log").split("\n")) == ["", "0 1", "1 1", "2 1", "3 1"]


@pytest.mark.long
def test_a_packed_run_that_kills_all_it_may_leaves_no_sibling_untold(trial: Trial) -> None:
    results = _sweep(trial, "parent", "group", "all", None, mode="packed", wait_s=1.0)
    for result in results:
        print(_words(result))
    for result in results[:3]:
        assert result["status"] == "failed", _words(result)
        assert result["failure"]["message"]
