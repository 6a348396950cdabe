"""Which variables describe a process as one task of a Slurm step, and how to run without them.

A run is one process unless it has ranks (`slurm_tasks_per_node`). The process is started by srun in
any case, so that Slurm confines and accounts for it. With srun's variables, libraries would take it
for one of several processes: Lightning, timm and JAX read SLURM_NTASKS and SLURM_PROCID; MPI
libraries and Accelerate read the variables of PMI and PMIx; Open MPI reads SLURM_STEPID. They would
refuse `devices=2`, or wait for ranks that are never started.

The variables of the job stay: its id, name, nodes, CPUs, memory and GPUs, its array, its restarts.
No other module has such a list. `python -m tmgg.experiment_utils.job.slurm_step COMMAND...` runs a
command without the step's variables; the module imports nothing slow.
"""

import os
import re
import sys
from collections.abc import Mapping, MutableMapping, Sequence

from tmgg.experiment_utils.job.gpu_variables import translated

_OF_A_STEP = re.compile(
    # How many tasks there are, and which of them the process is.
    r"SLURM_(NTASKS|NPROCS|TASKS_PER_NODE|NTASKS_PER_\w+|PROCID|LOCALID|NODEID|GTIDS|TASK_PID)"
    # The step itself: SLURM_STEPID, SLURM_STEP_ID (-5 in a batch script from Slurm 26.05 on), ...
    r"|SLURM_STEP(ID|_\w+)"
    # How srun placed the tasks, and how they reach srun. A nested srun would read them as options.
    r"|SLURM_(DISTRIBUTION|CPU_BIND\w*|SRUN_COMM_\w+|LAUNCH_NODE_IPADDR)"
    # Slurm's MPI plugins. PMIX_MCA_ variables are settings of the user's, or of the site's.
    r"|SLURM_PMIX\w*|PMI2?_\w+|PMIX_(?!MCA_)\w+"
)
RANK_VARIABLES = (
    "RANK", "LOCAL_RANK", "WORLD_SIZE", "LOCAL_WORLD_SIZE", "NODE_RANK", "GROUP_RANK",
    "MASTER_ADDR", "MASTER_PORT",
)  # fmt: skip
"""With these torchrun tells a process its rank; TMGG sets them for ranks, too."""
_OF_LAUNCHERS = ("TORCHELASTIC_", "OMPI_COMM_WORLD_")
"""Prefixes of the variables that torchrun and mpirun set in their processes."""


def is_of_a_step(name: str) -> bool:
    """Whether this variable describes a task of a step, not the job."""
    return _OF_A_STEP.fullmatch(name) is not None


def without_step(environment: Mapping[str, str]) -> dict[str, str]:
    """The environment without a step's variables, for a process that is not one of its tasks."""
    return {name: value for name, value in environment.items() if not is_of_a_step(name)}


def without_ranks(environment: Mapping[str, str]) -> dict[str, str]:
    """The environment for a new job: without the variables that give the submitter's rank."""
    return {
        name: value
        for name, value in environment.items()
        if name not in RANK_VARIABLES and not name.startswith(_OF_LAUNCHERS)
    }


def forget_step(environment: MutableMapping[str, str] = os.environ) -> None:
    """Remove the step's variables from this process's own environment."""
    for name in [name for name in environment if is_of_a_step(name)]:
        del environment[name]


def main(command: Sequence[str]) -> None:
    """Replace this process by `command`, without the step's variables and with its GPUs visible."""
    os.execvpe(command[0], list(command), translated(without_step(os.environ)))


if __name__ == "__main__":
    main(sys.argv[1:])
