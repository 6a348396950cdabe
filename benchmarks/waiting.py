"""What waiting for a thousand real jobs asks of the scheduler, next to submitit on the same jobs.

One array is submitted. From then on two processes wait for all of its jobs, beside each other: ours
through the runner, the peer through submitit's job objects. `TMGG_BENCH_WAITING_RUNS` shortens it:
two cores need some minutes for a thousand jobs.
"""

import os
import sys
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from benchmarks._lab import Lab, lab
from benchmarks._table import render_table

RUNS = int(os.environ.get("TMGG_BENCH_WAITING_RUNS", "1000"))
AT_ONCE = 12
LIMIT_S = 1800
CALLS_PER_5_S = 1.0
"""The bound on what waiting may ask, on average."""
CALLS_PER_PASS = 2
EXPERIMENT = "def run(config):\n    return {'value': float(config['value'])}\n"
_RUNNER = """
import json, sys, time
from pathlib import Path
from tmgg.experiment_utils.cloud import SlurmConfig, SlurmRunner
from tmgg.experiment_utils.cloud.runs_on_record import waiting
runner = SlurmRunner(SlurmConfig(nodes=1, cpus_per_task=1, gpus_per_task=0, mem_per_cpu="100MB",
    time_limit="00:10:00", exclusive=False, ray_bootstrap="none"))
def calls():
    return sum(runner.client.calls.values())
"""
SUBMIT = f"""{_RUNNER}
target = {{"_target_": "lab_experiment:run"}}
configs = [{{"experiment": target, "value": number}} for number in range({RUNS})]
sweep = runner.spawn_sweep(configs, mode="array", parallelism={AT_ONCE})
before = calls()
states = runner.poll(sweep.run_ids)
known = [{{"run_id": state.run_id, "job_id": state.job_id}} for state in states]
Path("known.json").write_text(json.dumps(known))
print(json.dumps({{"sbatch": runner.client.calls["sbatch"], "pass": calls() - before}}))
"""
OURS = f"""{_RUNNER}
run_ids = [known["run_id"] for known in json.loads(Path("known.json").read_text())]
began = time.time()
states = list(waiting.wait(runner, run_ids))
took, waited = time.time() - began, calls()
results = [runner.collect(run_id) for run_id in run_ids]
right = [result.metrics for result in results] == [{{"value": n}} for n in range({RUNS})]
after = SlurmRunner(runner.config)
ended = [state.status for state in after.poll(run_ids)]
print(json.dumps({{
    "took": took, "calls": waited, "right": right and ended == ["completed"] * {RUNS},
    "pass": sum(after.client.calls.values()),
}}))
"""
THEIRS = """
import json, time, submitit
from pathlib import Path
job_ids = [known["job_id"] for known in json.loads(Path("known.json").read_text())]
began = time.time()
jobs = [submitit.SlurmJob(".", job_id) for job_id in job_ids]
for job in jobs:
    job.wait()
print(json.dumps({"took": time.time() - began, "calls": jobs[0].watcher.num_calls}))
"""


def main() -> None:
    with lab("bench") as cluster:
        cluster.write("lab_experiment.py", EXPERIMENT)
        submitted = cluster.python(SUBMIT, timeout_s=LIMIT_S)
        ours, theirs = _beside_each_other(cluster, OURS, THEIRS)
    if not ours["right"]:
        sys.exit(f"of {RUNS} runs not all came back with their own result")
    print(_report(submitted, ours, theirs))


def _beside_each_other(cluster: Lab, *codes: str) -> list[dict[str, Any]]:
    with ThreadPoolExecutor(len(codes)) as pool:
        return list(pool.map(lambda code: cluster.python(code, timeout_s=LIMIT_S), codes))


def _report(submitted: dict[str, Any], ours: dict[str, Any], theirs: dict[str, Any]) -> str:
    rate, their_rate = (5 * each["calls"] / each["took"] for each in (ours, theirs))
    rows = [
        ["until the last was seen to end", f"{ours['took']:.0f} s", f"{theirs['took']:.0f} s"],
        ["status calls", ours["calls"], theirs["calls"]],
        ["calls per 5 s of waiting", f"{rate:.2f}", f"{their_rate:.2f}"],
        ["calls of one pass over all, under way", submitted["pass"], ""],
        ["calls of one pass over all, ended", ours["pass"], ""],
    ]
    per_pass = max(submitted["pass"], ours["pass"])
    kept = rate < CALLS_PER_5_S and per_pass <= CALLS_PER_PASS
    return (
        f"{RUNS} jobs of {submitted['sbatch']} sbatch, {AT_ONCE} at once; both wait for them\n\n"
        f"{render_table(['what', 'tmgg', 'submitit'], rows)}\n\n"
        f"the bounds are {CALLS_PER_5_S:g} call per 5 s and {CALLS_PER_PASS} per pass: "
        f"{'kept' if kept else 'BROKEN'}"
    )


if __name__ == "__main__":
    main()
