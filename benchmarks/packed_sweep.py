"""200 short runs packed into one allocation, and as an array of single-node Ray jobs.

The same runs, nodes and Ray bootstrap. `TMGG_BENCH_ARRAY_RUNS` shortens the array, which takes many
minutes on two cores; its time for all runs is then extrapolated, and the output says so.
"""

import os
from typing import Any

from benchmarks._lab import lab
from benchmarks._table import render_table

RUNS = 200
NODES = 3
RUNS_PER_NODE = 4
LIMIT_S = 3600
EXPERIMENT = "def run(config):\n    return {'value': config.value}\n"
SWEEP = """
import json, time
from tmgg.experiment_utils.cloud import SlurmConfig, SlurmRunner
runner = SlurmRunner(SlurmConfig(**{settings!r}))
configs = [{{"experiment": {{"_target_": "lab_experiment:run"}}, "value": number}}
           for number in range({runs})]
began = time.time()
results = runner.run_sweep(configs, mode={mode!r}, parallelism={parallelism})
took = time.time() - began
assert [result.metrics for result in results] == [{{"value": n}} for n in range({runs})], results
print(json.dumps(took))
"""
COMMON: dict[str, Any] = {
    "cpus_per_task": RUNS_PER_NODE,
    "gpus_per_task": 0,
    "mem_per_cpu": "500MB",
    "exclusive": False,
    "time_limit": "01:00:00",
    "ray_bootstrap": "managed",
}


def main() -> None:
    array_runs = int(os.environ.get("TMGG_BENCH_ARRAY_RUNS", RUNS))
    with lab("bench", nodes=NODES, cpus=RUNS_PER_NODE, memory_mb=8000) as cluster:
        cluster.write("lab_experiment.py", EXPERIMENT)

        def sweep(mode: str, runs: int, parallelism: int, **settings: Any) -> float:
            code = SWEEP.format(
                settings=COMMON | settings, runs=runs, mode=mode, parallelism=parallelism
            )
            return float(cluster.python(code, timeout_s=LIMIT_S))

        packed_s = sweep("packed", RUNS, RUNS, nodes=NODES, runs_per_node=RUNS_PER_NODE)
        # As many jobs at once as there are nodes: each has its node's CPUs.
        array_s = sweep("array", array_runs, NODES, nodes=1)
    print(_report(packed_s, array_s, array_runs))


def _report(packed_s: float, array_s: float, array_runs: int) -> str:
    all_s = array_s * RUNS / array_runs
    measured = "measured" if array_runs == RUNS else f"extrapolated from {array_runs} runs"
    rows = [
        [
            f"packed, {NODES} nodes, {RUNS_PER_NODE} on each at once",
            f"{packed_s:.1f} s",
            "measured",
        ],
        [f"array of single-node Ray jobs, {NODES} at once", f"{all_s:.1f} s", measured],
    ]
    ratio = f"packed is {all_s / packed_s:.1f} times as fast, bootstrap included"
    return f"{render_table([f'{RUNS} runs', 'time', ''], rows)}\n\n{ratio}"


if __name__ == "__main__":
    main()
