"""Twenty at once on two hosts that retry and resume the same runs: one start each."""

import json
import subprocess
from collections import Counter
from typing import Any

import pytest

from slurm_cluster import MachineProcess
from tests.slurm.trial import SMALL, Trial
from tmgg.experiment_utils.run_folder.paths import RunPaths

HOSTS = ("node1", "node2")
KNOWN, NEW = 3, 3
LAB = """
from pathlib import Path
from tmgg.experiment_utils.job.context import current_run

def work(config):
    run = current_run()
    with open("starts.log", "a") as log:
        log.write(f"{config['value']} {run.run_id} {run.attempt}\\n")
    tried = Path(f"{config['value']}.tried")
    if config["fails_first"] and not tried.exists():
        tried.touch()
        raise RuntimeError("the first time")
    return {"value": config["value"]}
"""


def _configs(count: int) -> list[dict[str, Any]]:
    work = {"experiment": {"_target_": "lab:work"}}
    return [{**work, "value": value, "fails_first": value < KNOWN} for value in range(count)]


@pytest.mark.long
@pytest.mark.parametrize("mode", ["separate", "array", "packed"])
def test_twenty_that_retry_and_resume_at_once_start_each_run_once(trial: Trial, mode: str) -> None:
    trial.login.write("lab.py", LAB)
    trial.settings = {**SMALL, "poll_interval_s": 1.0}
    if mode == "packed":
        trial.settings |= {"cpus_per_task": 2, "runs_per_node": 2, "ray_bootstrap": "managed"}
    first = trial.call("sweep", configs=_configs(KNOWN), options={"mode": mode}, timeout_s=300)
    assert [result["status"] for result in first.answer] == ["failed"] * KNOWN
    known = [result["run_id"] for result in first.answer]
    options = {"mode": mode, "parallelism": 10, "resume": True}
    resume = trial.request("spawn_sweep", None, configs=_configs(KNOWN + NEW), options=options)
    retry = ["tmgg-jobs", "retry", *known, "--json"]

    started = [_start(trial, HOSTS[n % 2], retry if n % 4 < 2 else resume) for n in range(20)]
    ends = [_end(process) for process in started]

    for code, out, err in ends:
        assert "Traceback" not in err, err
        assert code in (0, 1, 2), (code, out, err)
    replies = [json.loads(out.splitlines()[-1]) for n, (_, out, _) in enumerate(ends) if n % 4 >= 2]
    assert [reply["message"] for reply in replies] == [""] * 10
    (run_ids,) = {tuple(reply["answer"]["run_ids"]) for reply in replies}
    assert [reply["answer"]["refused"] for reply in replies] == [{}] * 10
    for run_id in run_ids:
        assert trial.result(run_id, timeout_s=300)["status"] == "completed"
    starts = Counter(line.split()[0] for line in trial.login.read("starts.log").splitlines())
    assert starts == {str(n): 2 if n < KNOWN else 1 for n in range(KNOWN + NEW)}
    for run_id in known:
        run = RunPaths(trial.login.host_folder / "slurm_outputs", run_id)
        assert run.submission_numbers() == [1, 2]


def _start(trial: Trial, host: str, argv: list[str]) -> MachineProcess:
    login = trial.login
    return login.cluster.popen(
        argv,
        user=login.user,
        machine=host,
        cwd=str(login.folder),
        env=login.environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )


def _end(process: MachineProcess) -> tuple[int, str, str]:
    with process:
        try:
            out, err = process.communicate(timeout=400)
        finally:
            process.kill_group()
    return int(process.returncode or 0), out, err
