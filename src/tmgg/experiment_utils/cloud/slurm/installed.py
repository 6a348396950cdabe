"""Whether Slurm's commands are on this machine."""

import shutil

from tmgg.errors import BackendUnavailableError

_COMMANDS = ("sbatch", "squeue", "sacct", "scontrol", "scancel", "sinfo", "sacctmgr", "srun")
ELSEWHERE = (
    "Log in to a cluster's login node, or run here with hydra/launcher=tmgg_local (LocalRunner in "
    "Python)."
)


def missing_commands() -> list[str]:
    """The Slurm commands TMGG uses that are not on PATH."""
    return [name for name in _COMMANDS if shutil.which(name) is None]


def require_commands() -> None:
    """Raises BackendUnavailableError, with what to use instead, where Slurm is not installed."""
    if shutil.which("sbatch") is None:
        raise BackendUnavailableError(no_command("sbatch"))


def no_command(command: str) -> str:
    """What is said where a command is missing."""
    return f"{command} is not on PATH: this machine has no Slurm commands. {ELSEWHERE}"
