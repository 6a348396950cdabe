"""From sbatch to the experiment's first line, phase by phase, on a real cluster of three nodes.

The peer is the job that Ray's documentation for Slurm shows, written by hand, on the same nodes.
"""

import re
import time

from benchmarks._lab import Lab, lab
from benchmarks._table import medians, render_ratio, render_spread, render_table

NODES = 3
ROUNDS = 3
EXPERIMENT = "def run(config):\n    return {'x': 1}\n"
BY_HAND = f"""#!/bin/bash
#SBATCH --nodes={NODES} --exclusive --tasks-per-node=1 --cpus-per-task=1 --mem-per-cpu=500
#SBATCH --gpus-per-task=1 --time=00:10:00 --output=by_hand.out --error=by_hand.err
echo "batch_start $EPOCHREALTIME" > by_hand.phases
nodes=$(scontrol show hostnames "$SLURM_JOB_NODELIST")
nodes_array=($nodes)
head_node=${{nodes_array[0]}}
ip_head=$head_node:6379
export ip_head RAY_USAGE_STATS_ENABLED=0
srun --nodes="$SLURM_JOB_NUM_NODES" --ntasks="$SLURM_JOB_NUM_NODES" \\
    ray symmetric-run --address "$ip_head" --min-nodes "$SLURM_JOB_NUM_NODES" \\
    --num-cpus="${{SLURM_CPUS_PER_TASK}}" --num-gpus="${{SLURM_GPUS_PER_TASK}}" -- \\
    python -u by_hand.py
echo "batch_end $EPOCHREALTIME" >> by_hand.phases
"""
BY_HAND_PY = """
import time
def mark(name):
    open("by_hand.phases", "a").write(f"{name} {time.time()}\\n")
mark("entrypoint_start")
import ray
ray.init(address="auto", logging_level="WARNING")
mark("experiment_start")
mark("entrypoint_end")
"""
RUN = f"""
import json, time
from tmgg.experiment_utils.cloud import SlurmConfig, SlurmRunner
runner = SlurmRunner(SlurmConfig(nodes={NODES}, cpus_per_task=1, mem_per_cpu="500MB",
                                 time_limit="00:10:00"))
started = time.time()
spawned = runner.spawn_experiment({{"experiment": {{"_target_": "lab_experiment:run"}}}})
submitted = time.time()
result = runner.get_result(spawned)
print(json.dumps([started, submitted, time.time(), result.status, spawned.run_id]))
"""


def main() -> None:
    with lab("bench") as cluster:
        cluster.write("lab_experiment.py", EXPERIMENT)
        ours = medians([_ours(cluster) for _ in range(ROUNDS)])
        theirs = medians([_by_hand(cluster) for _ in range(ROUNDS)])
    rows = [
        [name, render_spread(ours[name]), render_spread(theirs[name]) if name in theirs else "-",
         render_ratio(ours[name], theirs[name]) if name in theirs else ""]
        for name in ours
    ]  # fmt: skip
    print(f"{NODES} nodes, {ROUNDS} runs each, median (range); by hand: as in Ray's docs\n")
    print(render_table(["phase", "tmgg", "by hand", "ratio"], rows))


def _ours(cluster: Lab) -> dict[str, float]:
    started, submitted, returned, status, run_id = cluster.python(RUN)
    assert status == "completed", status
    marks = _marks(cluster.read(f"slurm_outputs/{run_id}/1/phases"))
    return {
        "record and sbatch": submitted - started,
        "queue": marks["batch_start"] - submitted,
        "environment": marks["environment_ready"] - marks["batch_start"],
        "Ray folder on every node": marks["ray_start"] - marks["environment_ready"],
        "Ray start": marks["entrypoint_start"] - marks["ray_start"],
        "batch start to entrypoint": marks["entrypoint_start"] - marks["batch_start"],
        "connect and run": marks["entrypoint_end"] - marks["entrypoint_start"],
        "entrypoint's end to batch end": marks["batch_end"] - marks["entrypoint_end"],
        "batch end to result": returned - marks["batch_end"],
    }


def _by_hand(cluster: Lab) -> dict[str, float]:
    cluster.write("by_hand.sh", BY_HAND)
    cluster.write("by_hand.py", BY_HAND_PY)
    started = time.time()
    job_id = cluster.run("sbatch", "--parsable", "by_hand.sh").strip()
    submitted = time.time()
    cluster.wait_for_job(job_id)
    marks = _marks(cluster.read("by_hand.phases"))
    return {
        "record and sbatch": submitted - started,
        "queue": marks["batch_start"] - submitted,
        "batch start to entrypoint": marks["entrypoint_start"] - marks["batch_start"],
        "connect and run": marks["entrypoint_end"] - marks["entrypoint_start"],
        "entrypoint's end to batch end": marks["batch_end"] - marks["entrypoint_end"],
    }


def _marks(text: str) -> dict[str, float]:
    found = (re.match(r"(\w+) ([0-9.]+)", line) for line in text.splitlines())
    return {match[1]: float(match[2]) for match in found if match}


if __name__ == "__main__":
    main()
