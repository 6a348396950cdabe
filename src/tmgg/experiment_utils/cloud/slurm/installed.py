"""Whether Slurm's commands are on this machine."""

import shutil

from tmgg.errors import BackendUnavailableError

_COMMANDS = ("sbatch", "squeue", "sacct", "scontrol", "scancel", "sinfo", "sacctmgr", "srun")
# TMGG can do without them: their answers are also in a job's files, or are only shown to the user.
HELPFUL_COMMANDS = frozenset({"sacct", "sacctmgr"})
ELSEWHERE = (
    "Log in to a cluster's login node, or run here with hydra/launcher=tmgg_local (LocalRunner in "
    "Python)."
)


def missing_commands() -> list[str]:
    """The Slurm commands TMGG uses that are not on PATH."""
    return [name for name in _COMMANDS if shutil.which(name) is None]


def require_commands() -> None:
    """Raises BackendUnavailableError without sbatch, which submits, or squeue, which lists jobs."""
    for command in ("sbatch", "squeue"):
        if shutil.which(command) is None:
            raise BackendUnavailableError(no_command(command))


def is_installed() -> bool:
    """Whether any of Slurm's commands is on this machine."""
    return len(missing_commands()) < len(_COMMANDS)


def no_command(command: str) -> str:
    """The message for a missing command."""
    if is_installed():
        return f"{command} is not on PATH, though other commands of Slurm are. Add its folder."
    return f"{command} is not on PATH: this machine has no Slurm commands. {ELSEWHERE}"
