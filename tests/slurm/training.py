"""Trainings on the cluster that tests can interrupt, and what they must come to all the same."""

import functools
import tempfile
from typing import Any

from tests.slurm.trial import Trial, new_id
from tmgg.experiment_utils.run_folder.task import DEFAULT_TARGET
from tmgg.training.experiment import run

TOLERANCE = 0.005
"""Of losses in nats, between any two numbers of workers."""
RAY: dict[str, Any] = {"ray_bootstrap": "managed", "nodes": 3, "time_limit": "00:15:00"}


def smoke(*, steps: int = 300, checkpoint_every: int = 20, **trainer: Any) -> dict[str, Any]:
    """The config of stage3_scaling at smoke scale, with other numbers of steps."""
    return {
        "stage": "stage3_scaling",
        "data": {"name": "sbm", "n": 32, "blocks": [2, 3, 4], "validation_graphs": 256},
        "model": {"name": "filter_bank", "k": 8},
        "trainer": {
            "steps": steps,
            "batch_size": 64,
            "learning_rate": 0.01,
            "validate_every": 100,
            "checkpoint_every": checkpoint_every,
            "allow_idle_nodes": True,
            **trainer,
        },
    }


@functools.cache
def uninterrupted(*, steps: int = 300) -> dict[str, float]:
    """The metrics of that config, trained here by one worker."""
    with tempfile.TemporaryDirectory() as folder:
        metrics = run({**smoke(steps=steps), "output_dir": folder})
    return {name: value for name, value in metrics.items() if not isinstance(value, str)}


def spawn(trial: Trial, config: dict[str, Any], *, target: str = DEFAULT_TARGET) -> str:
    """Submit it; its run id."""
    asked = {"experiment": {"_target_": target}, **config}
    reply = trial.call("spawn", new_id(), config=asked)
    assert reply.error is None, reply.message
    return str(reply.answer["run_id"])


def wait_for_checkpoint(trial: Trial, run_id: str, *, timeout_s: float = 120) -> None:
    """Until the run has noted one."""
    note = trial.files(run_id).run_paths.checkpoint
    trial.wait_until(note.exists, f"a checkpoint; its log:\n{log(trial, run_id)}", timeout_s)


def log(trial: Trial, run_id: str) -> str:
    """Both logs so far, for messages."""
    run = trial.files(run_id).run_paths
    return "\n".join(path.read_text() for path in (run.stdout, run.stderr) if path.exists())


def nodes_of(trial: Trial, run_id: str) -> list[str]:
    """The nodes of the run's job, once it has begun; the first is the head."""
    trial.wait_for_slurm(trial.job_id(run_id), "RUNNING")
    shown = trial.login.run(
        "squeue", "--noheader", "--format=%N", f"--jobs={trial.job_id(run_id)}"
    ).stdout.strip()
    return trial.login.run("scontrol", "show", "hostnames", shown).stdout.split()
