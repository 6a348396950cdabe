"""What a job sets in its environment for itself, and what a run submitted from inside it gets.

sbatch exports the environment of whoever calls it, and a process inherits it. So a run that is
submitted from inside a job would take the outer job's Ray for its own, write temporary files into a
folder of another node, or run on the one thread of its submitter. And since processes of a job's
Ray are found by `RAY_TMPDIR`, the outer job would end the inner one's.

`with_own` notes beside what a job sets what was there before; `for_new_run` and `for_new_job` give
that back. This module is the one list; it imports nothing slow.
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
"""Environment of a job: where its own Ray is."""
ROOT_VARIABLE = "TMGG_USAGE_ROOT"
"""Environment of a run: the process of its supervisor on this machine, below which all that it
starts stays."""
COMMAND_VARIABLE = "TMGG_JOB_COMMAND"
"""Environment of a job: its command line; see `program.again`."""
NOTE = "TMGG_SET_BY_JOB"
"""What a job has set besides, with the values from before it: JSON, null for none."""
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
    """`environment` with what a job sets for itself, and a note of what was there before."""
    before = {name: environment.get(name) for name in own}
    return {**environment, **own, NOTE: json.dumps(before | _noted(environment))}


@contextlib.contextmanager
def noting_what_is_set() -> Iterator[None]:
    """What is set inside, by a library for example, is this job's own."""
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
    except ValueError:  # somebody else's
        return {}
    return noted if isinstance(noted, dict) else {}
