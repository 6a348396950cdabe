"""Which variables describe a process as one task of a Slurm step, and how to run without them.

A run is one process unless ranks are asked for (`slurm_tasks_per_node`). Its process is started by
srun all the same, so that Slurm confines and accounts for it, and srun's variables would make
libraries take it for one of many: Lightning, timm and JAX read SLURM_NTASKS and SLURM_PROCID, MPI
libraries and Accelerate the variables of PMI and PMIx, Open MPI SLURM_STEPID. They would refuse
`devices=2`, or wait for ranks that nobody starts.

What describes the job stays: its id, name, nodes, CPUs, memory and GPUs, its array, its restarts.
This module is the one list. `python -m tmgg.experiment_utils.job.slurm_step COMMAND...` runs a
command without the variables; the module imports nothing slow.
"""

import os
import re
import sys
from collections.abc import Mapping, MutableMapping, Sequence

from tmgg.experiment_utils.job.gpu_variables import translated

_OF_A_STEP = re.compile(
    # How many tasks there are, and which of them this is.
    r"SLURM_(NTASKS|NPROCS|TASKS_PER_NODE|NTASKS_PER_\w+|PROCID|LOCALID|NODEID|GTIDS|TASK_PID)"
    # The step itself: SLURM_STEPID, SLURM_STEP_ID (-5 in a batch script from Slurm 26.05 on), ...
    r"|SLURM_STEP(ID|_\w+)"
    # How srun placed the tasks and how they reach it. A nested srun would take these for options.
    r"|SLURM_(DISTRIBUTION|CPU_BIND\w*|SRUN_COMM_\w+|LAUNCH_NODE_IPADDR)"
    # Slurm's MPI plugins. PMIX_MCA_ variables are settings of the user's, or of the site's.
    r"|SLURM_PMIX\w*|PMI2?_\w+|PMIX_(?!MCA_)\w+"
)
RANK_VARIABLES = (
    "RANK", "LOCAL_RANK", "WORLD_SIZE", "LOCAL_WORLD_SIZE", "NODE_RANK", "GROUP_RANK",
    "MASTER_ADDR", "MASTER_PORT",
)  # fmt: skip
"""By these torchrun tells a process which rank it is; TMGG sets them for ranks, too."""
_OF_LAUNCHERS = ("TORCHELASTIC_", "OMPI_COMM_WORLD_")
"""By these torchrun and mpirun tell a process that it is theirs."""


def is_of_a_step(name: str) -> bool:
    """Whether this variable describes a task of a step, not the job."""
    return _OF_A_STEP.fullmatch(name) is not None


def without_step(environment: Mapping[str, str]) -> dict[str, str]:
    """The environment of a process that is no task among others."""
    return {name: value for name, value in environment.items() if not is_of_a_step(name)}


def without_ranks(environment: Mapping[str, str]) -> dict[str, str]:
    """The environment of a new job: without what says which rank its submitter is."""
    return {
        name: value
        for name, value in environment.items()
        if name not in RANK_VARIABLES and not name.startswith(_OF_LAUNCHERS)
    }


def forget_step(environment: MutableMapping[str, str] = os.environ) -> None:
    """Take the variables out of this process's own environment."""
    for name in [name for name in environment if is_of_a_step(name)]:
        del environment[name]


def main(command: Sequence[str]) -> None:
    """Become `command`, in an environment in which it sees its GPUs."""
    os.execvpe(command[0], list(command), translated(without_step(os.environ)))


if __name__ == "__main__":
    main(sys.argv[1:])
