"""Makes the request with which a submission is given to Ray. Pure."""

import shlex
import sys
from typing import Any

from tmgg.experiment_utils.cloud.ray.config import RayConfig
from tmgg.experiment_utils.files.atomic_file import JsonDict
from tmgg.experiment_utils.run_folder.paths import SubmissionPaths

ENTRY = "tmgg.experiment_utils.cloud.ray.entry"
# Ray's default is to kill a stopped job after 3 s, but the supervisor gives the experiment 10 s.
STOP_WAIT_S = 20
# The amount that Ray itself asks for if a task has `accelerator_type=`.
_A_LITTLE = 0.001
_BYTES_PER_GB = 10**9


def submission_id(token: str) -> str:
    """The job's name in Ray. Ray does not take a second job with the same name."""
    return f"tmgg-{token}"


def restarted_id(job_id: str, restarts: int) -> str:
    """The job's name in Ray after `restarts` new starts, each because its node was lost."""
    return job_id if restarts == 0 else f"{job_id}-r{restarts}"


def render_request(config: RayConfig, paths: SubmissionPaths, *, job_id: str) -> JsonDict:
    """The body of `POST /api/jobs/` without the submission id; the job reads from `paths`."""
    runtime_env: dict[str, Any] = dict(config.runtime_env)
    variables = dict(runtime_env.get("env_vars") or {})
    runtime_env["env_vars"] = {**variables, "RAY_JOB_STOP_WAIT_TIME_S": str(STOP_WAIT_S)}
    request: JsonDict = {
        "entrypoint": render_entrypoint(config, paths, job_id=job_id, restarts=0),
        "runtime_env": runtime_env,
        "metadata": {"tmgg_run_id": paths.run_paths.run_id},
        "entrypoint_num_cpus": config.cpus_per_run,
        "entrypoint_num_gpus": config.gpus_per_run,
        "entrypoint_resources": _resources(config),
    }
    if config.memory_gb is not None:
        request["entrypoint_memory"] = int(config.memory_gb * _BYTES_PER_GB)
    if config.node_labels:  # a field that Ray before 2.50 does not know
        request["entrypoint_label_selector"] = dict(config.node_labels)
    return request


def render_entrypoint(
    config: RayConfig, paths: SubmissionPaths, *, job_id: str, restarts: int
) -> str:
    """The job's command as a shell command, the only form that Ray takes."""
    connect = ["--connect"] if config.connect else []
    python = config.python or sys.executable
    argv = [python, "-m", ENTRY, str(paths.folder), job_id, str(restarts), *connect]
    return f"exec {shlex.join(argv)}"


def _resources(config: RayConfig) -> dict[str, float]:
    resources = dict(config.resources)
    if config.gpu_type is not None:
        resources[f"accelerator_type:{config.gpu_type}"] = _A_LITTLE
    return resources
