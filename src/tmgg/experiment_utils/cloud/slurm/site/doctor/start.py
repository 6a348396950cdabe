"""The experiment of the doctor's second job: did the run's processes start as they should?

The job script starts it in the same way as every run, so Ray, GPUs and ranks are those of a run.
"""

import os
import socket
from typing import Any

from omegaconf import DictConfig

from tmgg.experiment_utils.cloud.slurm.site.doctor.exchange import Exchange
from tmgg.experiment_utils.files.atomic_file import JsonDict
from tmgg.experiment_utils.job.context import RunNode, current_run
from tmgg.experiment_utils.job.gpu_variables import count_visible

TARGET = "tmgg.experiment_utils.cloud.slurm.site.doctor.start:run"
FOLDER_NAME = "start"
TASK_LIMIT_S = 60.0
RANKS_LIMIT_S = 60.0


def make_config() -> JsonDict:
    """The experiment's config."""
    return {"experiment": {"_target_": TARGET}}


def run(_config: DictConfig) -> dict[str, float]:
    """Write a note about this process of the run; the first process waits for the other notes."""
    here = current_run()
    assert here is not None
    folder = here.output_dir / FOLDER_NAME
    folder.mkdir(exist_ok=True)
    exchange = Exchange(folder)
    has_ray = here.ray_address is not None
    note: JsonDict = {
        "host": socket.gethostname(),
        "gpus": count_visible(os.environ),
        "rank": None if here.rank is None else here.rank.to_json(),
        "nodes": [node.to_json() for node in here.nodes],
        "has_ray": has_ray,
        "workers": _workers(here.nodes) if has_ray and here.is_first else [],
    }
    number = 0 if here.rank is None else here.rank.rank
    exchange.put(f"process-{number:05d}", note)
    if not here.is_first:
        return {}
    count = 1 if here.rank is None else here.rank.world_size
    return {"processes": len(exchange.get_all("process-", count=count, limit_s=RANKS_LIMIT_S))}


def _workers(nodes: tuple[RunNode, ...]) -> list[JsonDict]:
    """What a Ray task sees that has all GPUs of its node; one task for each node."""
    import ray  # over a second to import: only for runs that have a Ray cluster
    from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

    names = {node["NodeManagerAddress"]: node["NodeID"] for node in ray.nodes() if node["Alive"]}
    look = ray.remote(num_cpus=1, max_retries=0)(look_around)
    found: dict[str, Any] = {}
    for node in nodes:
        there = NodeAffinitySchedulingStrategy(names[node.address], soft=False)
        options = {"num_gpus": node.gpus, "scheduling_strategy": there}
        found[node.hostname] = look.options(**options).remote()
    notes = []
    for host, answer in found.items():
        try:
            notes.append({"host": host, **ray.get(answer, timeout=TASK_LIMIT_S)})
        except Exception as error:  # any error, of Ray or of the node, goes into the note
            notes.append({"host": host, "trouble": f"{type(error).__name__}: {error}"})
    return notes


def look_around() -> JsonDict:
    """The host and number of GPUs that a process sees; Ray runs this on each node."""
    return {"runs_on": socket.gethostname(), "gpus": count_visible(os.environ)}
