"""The experiment that the doctor runs as a job: it checks all nodes of the allocation.

It is a run like any other. So it also tests the submission, the environment, the shared folder and
the result as every run uses them.
"""

import os
import sys
from pathlib import Path
from typing import Any

from omegaconf import DictConfig, OmegaConf

from tmgg.experiment_utils.cloud.slurm.client import SlurmClient
from tmgg.experiment_utils.cloud.slurm.config import (
    RAY_MAX_WORKER_PORT,
    RAY_MIN_WORKER_PORT,
    RAY_PORT,
    SlurmConfig,
)
from tmgg.experiment_utils.files.atomic_file import JsonDict, write_json
from tmgg.experiment_utils.job.context import current_run

TARGET = "tmgg.experiment_utils.cloud.slurm.site.doctor.survey:run"
FOLDER_NAME = "survey"
STEP_LIMIT_S = 300.0


def make_config(config: SlurmConfig, nonce: str) -> JsonDict:
    """The config of the survey. The job also gets `nonce` as the task's payload."""
    head_port, other_ports = ports_to_try(config)
    return {
        "experiment": {"_target_": TARGET},
        "survey": {
            "nonce": nonce,
            "head_port": head_port,
            "worker_ports": other_ports,
            "needs_ray": starts_ray(config),
            "needs_gpus": config.gpus_per_task > 0,
        },
    }


def starts_ray(config: SlurmConfig) -> bool:
    """Whether the jobs of these options start Ray."""
    return config.resolved_ray_bootstrap != "none" or config.sweep_mode == "packed"


def needs_ray_port(config: SlurmConfig) -> bool:
    """Whether Ray's head takes `ray_port` and no other; only with symmetric-run, Ray's command."""
    return config.resolved_ray_bootstrap == "symmetric-run" and config.sweep_mode != "packed"


def ports_to_try(config: SlurmConfig) -> tuple[int | None, list[int]]:
    """The head's port (None if it is not fixed), and samples of the ranges of the other ports."""
    workers = (config.min_worker_port, config.max_worker_port)
    if needs_ray_port(config):
        return config.ray_port, _samples(workers)
    if not starts_ray(config) and config.tasks_per_node is None:
        return None, []
    job_ports = _samples((config.min_job_port, config.max_job_port))
    if not starts_ray(config):
        return None, job_ports
    wished = workers != (RAY_MIN_WORKER_PORT, RAY_MAX_WORKER_PORT)
    head_port = config.ray_port if config.ray_port != RAY_PORT else None
    return head_port, sorted({*job_ports, *(_samples(workers) if wished else ())})


def _samples(ports: tuple[int, int]) -> list[int]:
    first, last = ports
    return sorted({first, (first + last) // 2, last})


def run(config: DictConfig) -> dict[str, float]:
    """Probe every node of the job; the notes are in the run's output folder."""
    plan: Any = OmegaConf.to_container(config.survey)
    here = current_run()
    assert here is not None
    assert here.payload_path is not None
    folder = here.output_dir / FOLDER_NAME
    folder.mkdir()
    client = SlurmClient()
    nodes = client.hostnames(os.environ["SLURM_JOB_NODELIST"])
    write_json(folder / "plan.json", {**plan, "nodes": nodes, "nonce_file": str(here.payload_path)})
    module = "tmgg.experiment_utils.cloud.slurm.site.doctor.node_probe"
    answer = client.run_on_nodes(
        [sys.executable, "-m", module, str(folder)],
        job_id=os.environ["SLURM_JOB_ID"],
        nodes=len(nodes),
        timeout_s=STEP_LIMIT_S,
    )
    write_json(folder / "step.json", {"exit_code": answer.exit_code, "words": answer.words})
    return {"nodes": len(nodes), "reports": len(notes_in(folder, "node-"))}


def notes_in(folder: Path, prefix: str) -> list[Path]:
    """The notes of the nodes whose names begin with `prefix`."""
    return sorted(folder.glob(f"{prefix}*.json"))
