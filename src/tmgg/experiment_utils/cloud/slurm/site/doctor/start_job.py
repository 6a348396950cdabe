"""The doctor's second job: does a run with these options start? If so, its record is removed."""

from collections.abc import Sequence
from dataclasses import replace

from tmgg.experiment_utils.cloud.runs_on_record.waiting import Clock, LimitedClock
from tmgg.experiment_utils.cloud.slurm.config import SlurmConfig
from tmgg.experiment_utils.cloud.slurm.runner import SlurmRunner
from tmgg.experiment_utils.cloud.slurm.site.doctor import start
from tmgg.experiment_utils.cloud.slurm.site.doctor.findings import Finding, ok, problem
from tmgg.experiment_utils.cloud.slurm.site.doctor.short_job import Say, ShortJob, shorter
from tmgg.experiment_utils.files.atomic_file import JsonDict

CHECK = "start"
_LOGS = "Look into its .err file and ray_logs/; every run with these options starts like this."


def is_needed(config: SlurmConfig) -> bool:
    """Whether a run starts more than one process on its first node; the survey tried only that."""
    return config.resolved_ray_bootstrap != "none" or config.tasks_per_node is not None


def try_start(
    runner: SlurmRunner, *, limit_s: float, say: Say, clock: Clock | None = None
) -> list[Finding]:
    """Submit a run as the launcher would, for a few minutes, and look at what it started."""
    own = SlurmRunner(start_config(runner.config), client=runner.client)
    return ShortJob(own, runner.output_dir, CHECK, say).examine(
        start.make_config(),
        payload=None,
        clock=clock or LimitedClock(limit_s),
        limit_s=limit_s,
        judge=lambda job: _judged(runner.config, job),
    )


def start_config(config: SlurmConfig) -> SlurmConfig:
    """The same config with a short time limit, another job name and a short poll interval."""
    return replace(
        config,
        job_name="tmgg-doctor",
        time_limit=shorter(config.time_limit),
        signal_lead_s=None,
        poll_interval_s=min(config.poll_interval_s, 5.0),
    )


def _judged(config: SlurmConfig, job: ShortJob) -> list[Finding]:
    at = job.phases()
    took_s = at["entrypoint_start"] - at["environment_ready"]
    return judge_start(config, job.notes(start.FOLDER_NAME, "process-"), took_s=took_s)


def judge_start(config: SlurmConfig, notes: Sequence[JsonDict], *, took_s: float) -> list[Finding]:
    """What the notes of the run's processes mean; pure."""
    troubles = [*_ray_troubles(config, notes), *_rank_troubles(config, notes)]
    if troubles:
        return [problem(CHECK, "; ".join(troubles), _LOGS)]
    gpus = f" with {config.gpus_per_node} GPUs each" if config.gpus_per_task else ""
    parts = []
    if config.resolved_ray_bootstrap != "none":
        parts.append(f"Ray ({config.resolved_ray_bootstrap}) on {config.nodes} nodes{gpus}")
    if config.tasks_per_node is not None:
        parts.append(f"{config.ranks} ranks on {config.nodes} nodes")
    return [ok(CHECK, f"{' and '.join(parts)}, {took_s:.1f} s after the environment")]


def _ray_troubles(config: SlurmConfig, notes: Sequence[JsonDict]) -> list[str]:
    if config.resolved_ray_bootstrap == "none":
        return []
    first = notes[0] if notes else {}
    if not first.get("has_ray"):
        return ["the experiment's process has no Ray"]
    troubles = []
    if len(first["nodes"]) != config.nodes:
        troubles.append(f"Ray has {len(first['nodes'])} of {config.nodes} nodes")
    for node in first["nodes"]:
        if node["gpus"] != config.gpus_per_node:
            wanted = f"{config.gpus_per_node} are asked for"
            troubles.append(f"Ray has {node['gpus']:g} GPUs on {node['hostname']}; {wanted}")
    for worker in first["workers"]:
        if "trouble" in worker:
            troubles.append(f"no task ran on {worker['host']}: {worker['trouble']}")
        elif config.gpus_per_node and worker["gpus"] not in (None, config.gpus_per_node):
            troubles.append(f"a task on {worker['host']} sees {worker['gpus']} GPUs")
    return troubles


def _rank_troubles(config: SlurmConfig, notes: Sequence[JsonDict]) -> list[str]:
    if config.tasks_per_node is None:
        return []
    ranks = [note["rank"] for note in notes if note["rank"] is not None]
    numbers = {rank["rank"] for rank in ranks}
    troubles = []
    if numbers != set(range(config.ranks)):
        troubles.append(f"{len(numbers)} of {config.ranks} ranks left a note")
    if any(rank["world_size"] != config.ranks for rank in ranks):
        troubles.append(f"ranks do not agree that they are {config.ranks}")
    if len({note["host"] for note in notes}) != config.nodes:
        troubles.append(f"the ranks are on {len({note['host'] for note in notes})} nodes")
    wanted = config.gpus_per_node if config.sees_all_gpus_of_node else config.gpus_per_task
    few = [note for note in notes if config.gpus_per_task and note["gpus"] not in (None, wanted)]
    troubles += [f"rank {note['rank']['rank']} sees {note['gpus']} GPUs" for note in few[:3]]
    return troubles
