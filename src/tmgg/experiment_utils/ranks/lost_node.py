"""A rank's supervisor is gone: was it killed, or is its node lost?

A node that is lost Slurm notices, too, after `SlurmdTimeout`; it then ends the whole job and, where
the job may be requeued, begins it again on other nodes. A job that ended by itself before that
would not begin again.
"""

import os
import subprocess

from tmgg.experiment_utils.ray_cluster.clear_node import without_step
from tmgg.experiment_utils.ray_cluster.slurm_facts import slurmd_timeout_s

PROBE_S = 5.0
_MARGIN_S = 30.0


def answers(*, job_id: str, node: str) -> bool:
    """Whether the node still starts a process for the job; True where nobody can be asked."""
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
    """A step that does nothing, on this node of the job."""
    return [
        "srun", f"--jobid={job_id}", f"--nodelist={node}", "--nodes=1", "--ntasks=1", "--overlap",
        "--mem=0", "--quiet", "true",
    ]  # fmt: skip


def patience_s() -> float:
    """How long Slurm may take to end the job of a lost node."""
    return slurmd_timeout_s() + _MARGIN_S
