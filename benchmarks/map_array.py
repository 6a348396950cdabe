"""A thousand calls of a trivial function: `runner.map` next to submitit's `map_array`.

Both on one real cluster, in turns: how long until all are submitted (held, so that nothing runs),
and, with fewer calls that do run, how long until the last value is back.
"""

import json
import os

from benchmarks._lab import Lab, lab
from benchmarks._table import medians, render_ratio, render_spread, render_table

CALLS = 1000
RUNNING = 24
ROUNDS = 5
RUNNING_ROUNDS = 3
SUBMISSION_BOUND = 2.0
RESULT_LIMIT_S = 600

_LAB = """
def add(a, b):
    return a + b
"""
_TMGG = """
import json, sys, time
import calls_lab
from tmgg.experiment_utils.cloud import SlurmConfig, SlurmRunner
count, hold = int(sys.argv[1]), sys.argv[2] == "hold"
runner = SlurmRunner(SlurmConfig(
    nodes=1, cpus_per_task=1, gpus_per_task=0, mem_per_cpu="100MB", exclusive=False,
    ray_bootstrap="none", extra_args=["--hold"] if hold else [],
    output_dir=f"tmgg-{time.time()}"))
began = time.perf_counter()
futures = runner.map(calls_lab.add, range(count), range(count))
submitted = time.perf_counter() - began
assert len(futures) == count
report = {"submitted": submitted, "sbatch": runner.client.calls["sbatch"]}
if not hold:
    assert [future.result(timeout=500) for future in futures] == [2 * n for n in range(count)]
    report["results"] = time.perf_counter() - began
print(json.dumps(report))
"""
_SUBMITIT = """
import json, sys, time
import calls_lab, submitit
count, hold = int(sys.argv[1]), sys.argv[2] == "hold"
executor = submitit.SlurmExecutor(folder=f"submitit-{time.time()}")
executor.update_parameters(
    partition="gpu", time=5, cpus_per_task=1, mem="100MB", array_parallelism=1000,
    additional_parameters={"hold": True} if hold else {})
began = time.perf_counter()
jobs = executor.map_array(calls_lab.add, range(count), range(count))
submitted = time.perf_counter() - began
report = {"submitted": submitted, "sbatch": len({job.job_id.split("_")[0] for job in jobs})}
if not hold:
    assert [job.result() for job in jobs] == [2 * n for n in range(count)]
    report["results"] = time.perf_counter() - began
print(json.dumps(report))
"""
_SUITES = {"TMGG, map": _TMGG, "submitit, map_array": _SUBMITIT}


def main() -> None:
    print(f"{os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}\n")
    with lab("bench", nodes=3) as cluster:
        cluster.write("calls_lab.py", _LAB)
        held = _measure(cluster, CALLS, "hold", ROUNDS)
        run = _measure(cluster, RUNNING, "run", RUNNING_ROUNDS)
    header = ["", f"{CALLS} submitted", "sbatch", f"{RUNNING} results"]
    rows = [
        [
            name,
            render_spread(held[name]["submitted"]),
            f"{held[name]['sbatch'][0]:g}",
            render_spread(run[name]["results"]),
        ]
        for name in _SUITES
    ]
    print(render_table(header, rows))
    ours, theirs = _SUITES
    submission = render_ratio(held[ours]["submitted"], held[theirs]["submitted"])
    results = render_ratio(run[ours]["results"], run[theirs]["results"])
    print(
        f"\nTMGG takes {submission} of submitit's time to submit; the bound is "
        f"{SUBMISSION_BOUND:g}x.\nIts results are all back after {results} of submitit's time."
    )


def _measure(cluster: Lab, count: int, mode: str, rounds: int) -> dict[str, dict[str, list[float]]]:
    samples: dict[str, list[dict[str, float]]] = {name: [] for name in _SUITES}
    for _ in range(rounds):
        for name, code in _SUITES.items():
            printed = cluster.run("python", "-c", code, str(count), mode, timeout_s=RESULT_LIMIT_S)
            samples[name].append(json.loads(printed.splitlines()[-1]))
            cluster.run("scancel", "--user=alice")
    return {name: medians(found) for name, found in samples.items()}


if __name__ == "__main__":
    main()
