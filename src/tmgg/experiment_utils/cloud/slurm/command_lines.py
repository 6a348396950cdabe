"""The command lines of Slurm's commands, and the environment that they get. Pure."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from tmgg.experiment_utils.job.job_environment import for_new_job

_OF_CLUSTERS = ("sbatch", "squeue", "sacct", "scontrol", "scancel", "sinfo", "sshare")
_INHERITED = ("SLURM_", "SBATCH_", "SRUN_", "SALLOC_", "SQUEUE_", "SACCT_", "SCANCEL_", "SINFO_")
# Not settings of a job: where the cluster is, and how a site without munge identifies its users.
_KEPT = ("SLURM_CONF", "SLURM_JWT", "SLURM_SACK_JWKS", "SLURM_SACK_KEY", "SLURM_SACK_SOCKET")


def submit_argv(script: Path, *, comment: str) -> list[str]:
    """The sbatch command line."""
    return ["sbatch", "--parsable", f"--comment={comment}", str(script)]


def for_cluster(argv: Sequence[str], cluster: str | None) -> list[str]:
    """The command line with `--clusters`, if a cluster is named and the command has the option."""
    command, *arguments = argv
    if cluster is None or command not in _OF_CLUSTERS or "hostnames" in arguments:
        return list(argv)
    return [command, f"--clusters={cluster}", *arguments]


def scrubbed_environment(environment: Mapping[str, str]) -> dict[str, str]:
    """The environment without the variables that would change what Slurm's commands or a job do.

    An enclosing job or the user's shell may have set such variables.
    """
    kept = {
        name: value
        for name, value in for_new_job(environment).items()
        if name in _KEPT or not name.startswith(_INHERITED)
    }
    # SLURM_BITSTR_LEN=0: otherwise Slurm cuts lists of an array's elements after 64 characters.
    return kept | {"SLURM_TIME_FORMAT": "standard", "SLURM_BITSTR_LEN": "0"}
