"""If a rank's supervisor is gone: whether it was killed, or its node is lost.

If a node is lost, Slurm notices this, too, after `SlurmdTimeout`. It then ends the whole job, and
restarts it on other nodes if the job may be requeued. A job that ended by itself before that would
not be restarted, so the hub waits.
"""

import os
import subprocess

from tmgg.experiment_utils.ray_cluster.clear_node import without_step
from tmgg.experiment_utils.ray_cluster.slurm_facts import slurmd_timeout_s

PROBE_S = 5.0
_MARGIN_S = 30.0


def answers(*, job_id: str, node: str) -> bool:
    """Whether the node still starts a process for the job; True if there is no srun to try it."""
    try:
        asked = subprocess.run(
            render_probe(job_id=job_id, node=node),
            env=without_step(os.environ),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            timeout=PROBE_S,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return False
    except OSError:
        return True
    return asked.returncode == 0


def render_probe(*, job_id: str, node: str) -> list[str]:
    """The command of a step that does nothing, on this node of the job."""
    return [
        "srun", f"--jobid={job_id}", f"--nodelist={node}", "--nodes=1", "--ntasks=1", "--overlap",
        "--mem=0", "--quiet", "true",
    ]  # fmt: skip


def patience_s() -> float:
    """How many seconds Slurm may take to end the job after a node is lost."""
    return slurmd_timeout_s() + _MARGIN_S
