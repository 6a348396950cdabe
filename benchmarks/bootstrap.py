"""Starting and ending Ray on three real nodes: the managed bootstrap beside symmetric-run.

The same job and experiment, in turn, so that a busy machine is as unfair to one as to the other.
"""

from benchmarks._lab import Lab, lab
from benchmarks._table import medians, render_ratio, render_spread, render_table
from tmgg.experiment_utils.run_folder.phases import parse_phases

NODES = 3
ROUNDS = 5
EXPERIMENT = """
import ray

def run(config):
    return {"nodes": len([node for node in ray.nodes() if node["Alive"]])}
"""
RUN = """
import json
from tmgg.experiment_utils.cloud import SlurmConfig, SlurmRunner
runner = SlurmRunner(SlurmConfig(nodes={nodes}, cpus_per_task=1, mem_per_cpu="500MB",
                                 gpus_per_task=0, time_limit="00:10:00",
                                 ray_bootstrap={bootstrap!r}))
result = runner.run_experiment({{"experiment": {{"_target_": "bench_experiment:run"}}}})
print(json.dumps([result.run_id, result.metrics, result.error_message]))
"""
_PARTS = {
    "environment": ("batch_start", "environment_ready"),
    "Ray's head": ("environment_ready", "ray_head_up"),
    "the other nodes": ("ray_head_up", "ray_nodes_up"),
    "batch start to entrypoint": ("batch_start", "entrypoint_start"),
    "connect and run": ("entrypoint_start", "entrypoint_end"),
    "entrypoint's end to job's end": ("entrypoint_end", "batch_end"),
    "whole job": ("batch_start", "batch_end"),
}


def main() -> None:
    samples: dict[str, list[dict[str, float]]] = {"managed": [], "symmetric-run": []}
    with lab("bench") as cluster:
        cluster.write("bench_experiment.py", EXPERIMENT)
        for _ in range(ROUNDS):
            for bootstrap, found in samples.items():
                found.append(_measure(cluster, bootstrap))
    ours, theirs = (medians(found) for found in samples.values())
    rows = [
        [name, render_spread(ours[name]),
         *([render_spread(theirs[name]), render_ratio(ours[name], theirs[name])]
           if name in theirs else ["-", ""])]
        for name in ours
    ]  # fmt: skip
    print(f"{NODES} nodes, {ROUNDS} runs each, median (range)\n")
    print(render_table(["part", *samples, "ratio"], rows))


def _measure(cluster: Lab, bootstrap: str) -> dict[str, float]:
    run_id, metrics, error = cluster.python(RUN.format(nodes=NODES, bootstrap=bootstrap))
    assert metrics == {"nodes": NODES}, error
    text = cluster.read(f"slurm_outputs/{run_id}/1/phases")
    at = {phase.name: phase.at for phase in reversed(parse_phases(text))}
    return {
        name: at[last] - at[first]
        for name, (first, last) in _PARTS.items()
        if first in at and last in at
    }


if __name__ == "__main__":
    main()
