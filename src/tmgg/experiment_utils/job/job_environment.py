"""The variables that a job sets for itself, and the environment of a run submitted inside a job.

sbatch exports its caller's environment, and a child process inherits it. So a run that is submitted
inside a job would take the outer job's Ray for its own, write temporary files into a folder of
another node, or use only one thread, as its submitter does. And because TMGG finds the processes of
a job's Ray by `RAY_TMPDIR`, the outer job would end those of the inner one.

`with_own` notes the earlier values of the variables that a job sets. `for_new_job` restores them;
`for_new_run` only removes the variables of the one job. No other module has such a list; this one
imports nothing slow.
"""

import contextlib
import json
import os
from collections.abc import Iterator, Mapping, MutableMapping

from tmgg.experiment_utils.job.slurm_step import without_ranks, without_step

TOKEN_VARIABLE = "TMGG_SUBMISSION"
"""Environment of a job: the token of the submission that it was started for."""
RESTART_VARIABLE = "TMGG_RESTART"
"""Environment of a job: how often it, or the run, had begun before."""
RAY_VARIABLE = "TMGG_RAY_ADDRESS"
"""Environment of a job: the address of its own Ray."""
ROOT_VARIABLE = "TMGG_USAGE_ROOT"
"""Environment of a run: its supervisor's process on this machine, of which all processes that it
starts remain descendants."""
COMMAND_VARIABLE = "TMGG_JOB_COMMAND"
"""Environment of a job: its command line; see `program.again`."""
LAUNCHED_FROM_VARIABLE = "TMGG_LAUNCHED_FROM"
"""Environment of a job: when it and the jobs that it was launched from began, oldest first. What it
submits keeps the value; see `nesting`."""
NOTE = "TMGG_SET_BY_JOB"
"""Other variables that a job has set, with their values before it: JSON, null for not set."""
_OF_ONE_JOB = (
    "TMGG_JOB_ID", RESTART_VARIABLE, TOKEN_VARIABLE, RAY_VARIABLE, ROOT_VARIABLE, COMMAND_VARIABLE,
)  # fmt: skip
_DEVICES = (
    "CUDA_VISIBLE_DEVICES", "GPU_DEVICE_ORDINAL", "HIP_VISIBLE_DEVICES", "ROCR_VISIBLE_DEVICES",
    "ZE_AFFINITY_MASK",
)  # fmt: skip
"""Slurm sets them in a job that has GPUs."""
_IN_SLURM = "SLURM_JOB_ID"


def with_own(environment: Mapping[str, str], own: Mapping[str, str]) -> dict[str, str]:
    """`environment` with the variables `own` that a job sets, and their earlier values noted."""
    before = {name: environment.get(name) for name in own}
    return {**environment, **own, NOTE: json.dumps(before | _noted(environment))}


@contextlib.contextmanager
def noting_what_is_set() -> Iterator[None]:
    """Treat variables that are set within the `with` block, by a library say, as set by the job."""
    before = dict(os.environ)
    yield
    own = {name: value for name, value in os.environ.items() if before.get(name) != value}
    os.environ.update(with_own(before, own))


def for_new_run(environment: Mapping[str, str]) -> dict[str, str]:
    """The environment of a run on this machine: with the enclosing job's CPUs, GPUs and folders."""
    around = without_ranks(without_step(environment))
    return {name: value for name, value in around.items() if name not in _OF_ONE_JOB}


def for_new_job(environment: Mapping[str, str]) -> dict[str, str]:
    """The environment of a job that gets nodes and devices of its own."""
    found: dict[str, str] = for_new_run(environment)
    for name, value in _noted(environment).items():
        found.pop(name, None)
        if value is not None:
            found[name] = value
    found.pop(NOTE, None)
    devices = _DEVICES if _IN_SLURM in environment else ()
    return {name: value for name, value in found.items() if name not in devices}


def forget_enclosing_job(environment: MutableMapping[str, str] = os.environ) -> None:
    """Make this process's own environment that of a new run on this machine."""
    kept = for_new_run(environment)
    for name in [name for name in environment if name not in kept]:
        del environment[name]


def _noted(environment: Mapping[str, str]) -> dict[str, str | None]:
    try:
        noted = json.loads(environment.get(NOTE, "{}"))
    except ValueError:  # not written by TMGG
        return {}
    return noted if isinstance(noted, dict) else {}
