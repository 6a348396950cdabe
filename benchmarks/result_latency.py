"""From the end of a job to its result in hand, and what waiting costs the scheduler.

The peer is submitit on the same cluster: the same function, one job at a time, then a hundred jobs
waited for at once.
"""

from typing import Any

from benchmarks._lab import Lab, lab
from benchmarks._table import render_ratio, render_spread, render_table

ROUNDS = 10
MANY = 100
SLEEP_S = 2
EXPERIMENT = f"""
import time
def run(config):
    time.sleep({SLEEP_S})
    return {{"ended": time.time()}}
"""
_CONFIG = '{"experiment": {"_target_": "lab_experiment:run"}}'
OURS = f"""
import json, time
from tmgg.experiment_utils.cloud import SlurmConfig, SlurmRunner
runner = SlurmRunner(SlurmConfig(nodes=1, cpus_per_task=1, gpus_per_task=0, mem_per_cpu="100MB",
    time_limit="00:10:00", exclusive=False, ray_bootstrap="none"))
def one():
    result = runner.run_experiment({_CONFIG})
    returned = time.time()
    exit_record = runner.output_dir / ".ended" / f"{{result.run_id}}.1.json"
    job_end = json.loads(exit_record.read_text())["ended_at"]
    return returned - result.metrics["ended"], returned - job_end
pairs = [one() for _ in range({ROUNDS})]
before = sum(runner.client.calls.values()) - runner.client.calls["sbatch"]
started = time.time()
results = runner.run_sweep([{_CONFIG}] * {MANY}, parallelism={MANY})
took = time.time() - started
assert all(result.status == "completed" for result in results)
calls = sum(runner.client.calls.values()) - runner.client.calls["sbatch"] - before
print(json.dumps([[a for a, _ in pairs], [b for _, b in pairs], calls, took]))
"""
SUBMITIT = f"""
import json, time, submitit
import lab_experiment
from submitit.core import core
executor = submitit.SlurmExecutor(folder="submitit_logs")
executor.update_parameters(time=10, mem="100MB", cpus_per_task=1, array_parallelism={MANY})
def one():
    job = executor.submit(lab_experiment.run, {{}})
    ended = job.result()["ended"]
    return time.time() - ended
values = [one() for _ in range({ROUNDS})]
started = time.time()
jobs = executor.map_array(lab_experiment.run, [{{}}] * {MANY})
before = jobs[0].watcher.num_calls
for job in jobs:
    job.result()
print(json.dumps([values, jobs[0].watcher.num_calls - before, time.time() - started]))
"""


def main() -> None:
    with lab("bench") as cluster:
        cluster.write("lab_experiment.py", EXPERIMENT)
        ours, to_result, calls, took = cluster.python(OURS)
        theirs, their_calls, their_took = cluster.python(SUBMITIT, PYTHONPATH=_path(cluster))
    print(_render(ours, theirs, to_result, (calls, took), (their_calls, their_took)))


def _path(cluster: Lab) -> str:
    # submitit's worker imports the function's module by name, wherever Slurm starts it.
    return str(cluster.cluster.inside(cluster.folder))


def _render(
    ours: list[float],
    theirs: list[float],
    to_result: list[float],
    many: tuple[int, float],
    their_many: tuple[int, float],
) -> str:
    rows: list[list[Any]] = [
        ["function's end to result", render_spread(ours), render_spread(theirs),
         render_ratio(ours, theirs)],
        ["job's end to result", render_spread(to_result), "-", ""],
        [f"{MANY} jobs, first sbatch to last result", f"{many[1]:.1f} s", f"{their_many[1]:.1f} s",
         f"{many[1] / their_many[1]:.2f}x"],
        [f"{MANY} jobs, status calls while waiting", many[0], their_many[0], ""],
        ["calls per 5 s of waiting", f"{5 * many[0] / many[1]:.2f}",
         f"{5 * their_many[0] / their_many[1]:.2f}", ""],
    ]  # fmt: skip
    return render_table(["what", "tmgg", "submitit", "ratio"], rows)


if __name__ == "__main__":
    main()
