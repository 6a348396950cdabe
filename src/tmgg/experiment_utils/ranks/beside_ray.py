"""Ranks beside a managed Ray: the entrypoint of the head starts them as a second step of the job.

`main` gets the submission's folder and the command of `srun`, which the job script has written out.
Slurm shows a process only the tasks of its own step, so the ranks cannot be Ray's.
"""

import os
import signal
import subprocess
from collections.abc import Mapping, Sequence

from tmgg.experiment_utils.cloud.slurm.request.rank_script import GPU_DEFAULTS
from tmgg.experiment_utils.job.gpu_variables import without_devices_of_slurm
from tmgg.experiment_utils.job.slurm_step import without_step

# Slurm signals every task of the job, so the ranks hear for themselves; srun would end them.
_HEARD_BY_RANKS = (signal.SIGTERM, signal.SIGINT, signal.SIGUSR1, signal.SIGUSR2)

# The step of Ray has all of the job's memory; srun shares it only where it is asked for none.
_DEFAULTS = {*GPU_DEFAULTS, "SLURM_MEM_PER_CPU", "SLURM_MEM_PER_GPU", "SLURM_MEM_PER_NODE"}


def main(arguments: Sequence[str]) -> int:
    """Run the ranks; the exit code of srun, which is none of the experiment's."""
    _folder, *command = arguments
    for number in _HEARD_BY_RANKS:
        signal.signal(number, signal.SIG_IGN)
    return subprocess.run(
        command, env=render_environment(os.environ), start_new_session=True, check=False
    ).returncode


def render_environment(inherited: Mapping[str, str]) -> dict[str, str]:
    """Ray's variables and the job's, without what srun would take for options of the step."""
    around = without_devices_of_slurm(without_step(inherited))
    return {name: value for name, value in around.items() if name not in _DEFAULTS}
