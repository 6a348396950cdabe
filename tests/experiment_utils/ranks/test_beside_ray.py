"""The second step of a job with a managed Ray, as the head starts it."""

import signal
import subprocess
import sys
from pathlib import Path

from tmgg.experiment_utils.ranks.beside_ray import render_environment

RUN = "import sys; from tmgg.experiment_utils.ranks.beside_ray import main; "
RUN += "sys.exit(main(sys.argv[1:]))"
# It says that it runs, then waits for a line, and ends with its own code.
SRUN = "import sys; print('up', flush=True); sys.stdin.readline(); sys.exit(7)"


def test_srun_takes_no_option_from_the_step_around_it() -> None:
    inherited = {
        "SLURM_PROCID": "0", "SLURM_NTASKS": "2", "SLURM_CPU_BIND": "quiet", "PMIX_RANK": "0",
        "SLURM_TRES_PER_TASK": "gpu:1", "SLURM_GPUS_PER_TASK": "1",
        "SLURM_JOB_ID": "7", "SLURM_MEM_PER_CPU": "500", "TMGG_RAY_ADDRESS": "10.0.0.1:6379",
        "RAY_AUTH_TOKEN_PATH": "/t",
    }  # fmt: skip
    assert set(render_environment(inherited)) == {
        "SLURM_JOB_ID", "TMGG_RAY_ADDRESS", "RAY_AUTH_TOKEN_PATH",
    }  # fmt: skip


def test_a_signal_to_the_step_of_ray_leaves_the_ranks_the_time_they_have(tmp_path: Path) -> None:
    argv = [sys.executable, "-c", RUN, str(tmp_path), sys.executable, "-c", SRUN]
    with subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"up\n"
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGUSR1, signal.SIGUSR2):
            process.send_signal(number)
        process.communicate(b"go\n", timeout=30)
    assert process.returncode == 7
