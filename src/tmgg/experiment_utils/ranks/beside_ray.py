"""Ranks beside a managed Ray: the entrypoint of the head starts them as a second step of the job.

`main` gets the submission's folder and the command of `srun`, which is in the job script. The ranks
cannot be processes of Ray's step, because Slurm describes to a process only the tasks of its step.
"""

import os
import signal
import subprocess
from collections.abc import Mapping, Sequence

from tmgg.experiment_utils.cloud.slurm.request.rank_script import GPU_DEFAULTS
from tmgg.experiment_utils.job.gpu_variables import without_devices_of_slurm
from tmgg.experiment_utils.job.slurm_step import without_step

# Slurm sends signals to every task of the job, so the ranks get them without this process. An srun
# that gets them, too, would end the ranks.
_HEARD_BY_RANKS = (signal.SIGTERM, signal.SIGINT, signal.SIGUSR1, signal.SIGUSR2)

# Ray's step has all memory of the job. A second step can share it only if it asks for no memory.
_DEFAULTS = {*GPU_DEFAULTS, "SLURM_MEM_PER_CPU", "SLURM_MEM_PER_GPU", "SLURM_MEM_PER_NODE"}


def main(arguments: Sequence[str]) -> int:
    """Run the ranks; return srun's exit code, which is not the experiment's."""
    _folder, *command = arguments
    for number in _HEARD_BY_RANKS:
        signal.signal(number, signal.SIG_IGN)
    return subprocess.run(
        command, env=render_environment(os.environ), start_new_session=True, check=False
    ).returncode


def render_environment(inherited: Mapping[str, str]) -> dict[str, str]:
    """The variables of Ray and the job, without those that srun would read as options."""
    around = without_devices_of_slurm(without_step(inherited))
    return {name: value for name, value in around.items() if name not in _DEFAULTS}
