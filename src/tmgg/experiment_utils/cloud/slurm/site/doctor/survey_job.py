"""The doctor's first job: what are the nodes like?"""

import secrets
from dataclasses import replace

from tmgg.experiment_utils.cloud.runner import CloudRunner
from tmgg.experiment_utils.cloud.runs_on_record.waiting import Clock, LimitedClock
from tmgg.experiment_utils.cloud.slurm.backend import SlurmBackend
from tmgg.experiment_utils.cloud.slurm.config import SlurmConfig
from tmgg.experiment_utils.cloud.slurm.runner import SlurmRunner, slurm_runs
from tmgg.experiment_utils.cloud.slurm.site.doctor import survey
from tmgg.experiment_utils.cloud.slurm.site.doctor.findings import Finding, ok, warning
from tmgg.experiment_utils.cloud.slurm.site.doctor.node_findings import judge_nodes
from tmgg.experiment_utils.cloud.slurm.site.doctor.short_job import Say, ShortJob, shorter

SLOW_SETUP_S = 60.0


def survey_nodes(
    runner: SlurmRunner, *, limit_s: float, say: Say, clock: Clock | None = None
) -> list[Finding]:
    """Run the survey as a job like those of the config. Without a problem its record is removed."""
    nonce = secrets.token_hex(16)
    job = ShortJob(survey_runner(runner), runner.output_dir, "job", say)
    return job.examine(
        survey.make_config(runner.config, nonce),
        payload=nonce.encode(),
        clock=clock or LimitedClock(limit_s),
        limit_s=limit_s,
        judge=lambda ended: [_times(ended), *_node_findings(runner.config, ended)],
    )


def survey_config(config: SlurmConfig) -> SlurmConfig:
    """A config with the same nodes, environment and ports, for a few minutes and without Ray."""
    return replace(
        config,
        # One process on each node, with the CPUs and GPUs of all the node's ranks.
        tasks_per_node=None,
        cpus_per_task=config.cpus_per_node,
        gpus_per_task=config.gpus_per_node,
        ray_bootstrap="none",
        no_kill=False,
        job_name="tmgg-doctor",
        time_limit=shorter(config.time_limit),
        signal_lead_s=None,
        poll_interval_s=min(config.poll_interval_s, 5.0),
    )


def survey_runner(runner: SlurmRunner) -> CloudRunner:
    """The runner of the survey, whose one process starts the processes on the other nodes."""
    config = survey_config(runner.config)
    backend = SlurmBackend(config, runner.client, check_config=lambda _config: None)
    return CloudRunner(slurm_runs(backend))


def _times(job: ShortJob) -> Finding:
    at = job.phases()
    setup_s = at["environment_ready"] - at["batch_start"]
    text = f"ran and left its result; the environment was ready after {setup_s:.1f} s"
    if setup_s > SLOW_SETUP_S:
        return warning("job", text, "The setup commands cost that time in every job.")
    return ok("job", text)


def _node_findings(config: SlurmConfig, job: ShortJob) -> list[Finding]:
    steps = job.notes(survey.FOLDER_NAME, "step")
    return judge_nodes(
        config,
        job.notes(survey.FOLDER_NAME, "node-"),
        job.notes(survey.FOLDER_NAME, "links-"),
        step_words=str(steps[0].get("words", "")) if steps else "",
    )
