"""How late a result is seen where the shared folder is a network's, beside a local one.

Both clusters are of this machine. In the second every machine has the folder as a client of NFS has
it, with caches of 30 s (see docs/test-cluster.md); without asking the server anew, a file that was
looked for before it was there would be seen up to half a minute late.
"""

from benchmarks._lab import lab
from benchmarks._table import render_spread, render_table

ROUNDS = 10
RUNS = 20
EXPERIMENT = """
import time
def run(config):
    time.sleep(1)
    return {"ended": time.time()}
"""
_CONFIG = '{"experiment": {"_target_": "lab_experiment:run"}}'
MEASURE = f"""
import json, time
from tmgg.experiment_utils.cloud import SlurmConfig, SlurmRunner
settings = dict(nodes=1, cpus_per_task=1, gpus_per_task=0, mem_per_cpu="100MB",
    time_limit="00:10:00", exclusive=False, ray_bootstrap="none")
runner = SlurmRunner(SlurmConfig(**settings))
def one():
    result = runner.run_experiment({_CONFIG})
    returned = time.time()
    exit_record = runner.output_dir / ".ended" / f"{{result.run_id}}.1.json"
    return returned - json.loads(exit_record.read_text())["ended_at"]
single = [one() for _ in range({ROUNDS})]
sweeps = []
for mode in ("array", "packed"):
    runner = SlurmRunner(SlurmConfig(**settings | dict(sweep_mode=mode,
        ray_bootstrap="managed" if mode == "packed" else "none", mem_per_cpu="1GB")))
    started = time.time()
    results = runner.run_sweep([{_CONFIG}] * {RUNS}, parallelism={RUNS})
    assert all(result.status == "completed" for result in results)
    sweeps.append(time.time() - max(result.metrics["ended"] for result in results))
print(json.dumps([single, *sweeps]))
"""


def main() -> None:
    figures = []
    for name in ("local", "network"):
        with lab(f"bench-{name}", shared_folder=name, accounting=False) as cluster:
            cluster.write("lab_experiment.py", EXPERIMENT)
            figures.append(cluster.python(MEASURE))
    rows = [
        ["one job's end to its result", *(render_spread(each[0]) for each in figures)],
        [f"last of {RUNS} in an array to all results", *(f"{each[1]:.2f} s" for each in figures)],
        [f"last of {RUNS} packed to all results", *(f"{each[2]:.2f} s" for each in figures)],
    ]
    print(render_table(["what", "all see at once", "as on NFS"], rows))


if __name__ == "__main__":
    main()
