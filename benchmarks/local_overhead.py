"""What one short local run costs on top of its own work, next to joblib and submitit.

joblib keeps its worker processes and starts none for each run, so nothing isolates one run from the
next; submitit's local executor starts a process for each, as LocalRunner does. The floor is a
Python that starts twice and does nothing: LocalRunner's supervisor and the experiment itself.
"""

import contextlib
import json
import os
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

from benchmarks._table import render_table

RUNS = 20
PARALLELISM = 2
ROUNDS = 3
LIMIT_S = 600
_LAB = """
def run(config):
    return {"square": config["x"] ** 2}
"""
_TIMED = f"""
import json, sys, time
N, K = {RUNS}, {PARALLELISM}
def report(one, sweep):
    one()
    started = time.perf_counter()
    for _ in range(N):
        one()
    alone = (time.perf_counter() - started) / N
    started = time.perf_counter()
    sweep()
    print(json.dumps([alone, (time.perf_counter() - started) / N]))
"""
_TMGG = f"""{_TIMED}
from tmgg.experiment_utils.cloud import LocalRunner
runner = LocalRunner()
config = {{"experiment": {{"_target_": "lab:run"}}, "x": 3}}
def one():
    assert runner.run_experiment(config).metrics == {{"square": 9}}
def sweep():
    results = runner.run_sweep([config] * N, parallelism=K)
    assert all(result.status == "completed" for result in results)
report(one, sweep)
"""
_SUBMITIT = f"""{_TIMED}
import lab, submitit
executor = submitit.LocalExecutor(folder="logs")
def one():
    assert executor.submit(lab.run, {{"x": 3}}).result() == {{"square": 9}}
def sweep():
    # The executor has no limit of its own.
    for _ in range(N // K):
        for job in [executor.submit(lab.run, {{"x": 3}}) for _ in range(K)]:
            job.result()
report(one, sweep)
"""
_JOBLIB = f"""{_TIMED}
import joblib, lab
def one():
    assert joblib.Parallel(n_jobs=K)([joblib.delayed(lab.run)({{"x": 3}})]) == [{{"square": 9}}]
def sweep():
    joblib.Parallel(n_jobs=K)(joblib.delayed(lab.run)({{"x": 3}}) for _ in range(N))
report(one, sweep)
"""
_FLOOR = f"""{_TIMED}
import subprocess
def one():
    for _ in range(2):
        subprocess.run([sys.executable, "-c", "pass"], check=True)
def sweep():
    for _ in range(N // K):
        pairs = [subprocess.Popen([sys.executable, "-c", "pass"]) for _ in range(K)]
        [pair.wait() for pair in pairs]
        pairs = [subprocess.Popen([sys.executable, "-c", "pass"]) for _ in range(K)]
        [pair.wait() for pair in pairs]
report(one, sweep)
"""
_SCRIPTS = {
    "LocalRunner": _TMGG,
    "submitit LocalExecutor": _SUBMITIT,
    "joblib.Parallel (loky)": _JOBLIB,
    "two empty Pythons": _FLOOR,
}


def main() -> None:
    rows = []
    for name, script in _SCRIPTS.items():
        samples = [_measure(script) for _ in range(ROUNDS)]
        alone, sweep = (statistics.median(column) for column in zip(*samples, strict=True))
        rows.append([name, f"{alone * 1000:.0f} ms", f"{sweep * 1000:.0f} ms"])
    header = ["", "a run at a time, per run", f"{PARALLELISM} at a time, per run"]
    print(render_table(header, rows))


def _measure(script: str) -> list[float]:
    with tempfile.TemporaryDirectory() as folder, contextlib.chdir(folder):
        Path("lab.py").write_text(_LAB)
        environment = os.environ | {"TMGG_HOME": f"{folder}/home", "PYTHONPATH": folder}
        done = subprocess.run(
            [sys.executable, "-c", script],
            env=environment,
            capture_output=True,
            text=True,
            timeout=LIMIT_S,
            check=True,
        )
    return [float(value) for value in json.loads(done.stdout.splitlines()[-1])]


if __name__ == "__main__":
    main()
