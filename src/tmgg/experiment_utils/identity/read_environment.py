"""Environment variables that a program's code reads by name: hashes of their values count.

Not counted are the variables of sessions, shells, Slurm, TMGG and launchers of ranks, which do not
change what is computed. Nor are keys and tokens, which may change without any effect on results.
"""

import hashlib
import os
import re
from collections.abc import Iterable, Mapping

_OF_SESSIONS = re.compile(
    r"(SLURM|SBATCH|SRUN|SALLOC|SQUEUE|SACCT|TMGG|RAY|PMI|PMIX|OMPI|PALS|MPI|SSH|XDG|DBUS|TMUX|VSCODE|"
    r"CONDA|PYENV|JUPYTER|JPY|GPG|PYTEST|HYDRA|TORCHELASTIC|TORCH_NCCL|NCCL|GIT|LMOD)_\w*"
    r"|(LOCAL_|NODE_|GROUP_|ROLE_)?RANK|(LOCAL_|ROLE_|GROUP_)?WORLD_SIZE|MASTER_(ADDR|PORT)"
    r"|(CUDA|HIP|ROCR|NVIDIA|ZE|GPU)_\w*(VISIBLE|AFFINITY)\w*|GPU_DEVICE_ORDINAL"
    r"|\w*_NUM_THREADS|TMPDIR|TMP|PWD|OLDPWD|SHLVL|_|TERM|COLORTERM|COLUMNS|LINES|NO_COLOR"
    r"|TERM_(PROGRAM|PROGRAM_VERSION|SESSION_ID)|TERMINFO|VIRTUAL_ENV|VIRTUAL_ENV_PROMPT"
    r"|LS_COLORS|LESS|LESSOPEN|LESSCLOSE|LESSCHARSET|LESS_TERMCAP_\w+"
    r"|LC_(ALL|ADDRESS|COLLATE|CTYPE|IDENTIFICATION|MEASUREMENT|MESSAGES|MONETARY|NAME|NUMERIC|PAPER|"
    r"TELEPHONE|TERMINAL|TERMINAL_VERSION|TIME)"
    r"|HOST|HOSTNAME|HOSTTYPE|USER|USERNAME|LOGNAME|HOME|SHELL|PATH|LD_LIBRARY_PATH|PYTHON\w*|DISPLAY"
    r"|XAUTHORITY|WAYLAND_DISPLAY|LANG|LANGUAGE|EDITOR|VISUAL|PAGER|BROWSER|MAIL|PS1|STY|WINDOWID"
    r"|JOB_ID|INVOCATION_ID|CI|(\w+_)?(COOKIE|SOCK|SOCKET|PID)"
    r"|MODULE(PATH|PATH_ROOT|SHOME|S_CMD|RCFILE|_VERSION|_VERSION_STACK)|LOADEDMODULES|_LMFILES_"
)
_KEYS = r"API_?KEY|ACCESS_KEY|TOKEN|PASSWORD|PASSWD|SECRET|CREDENTIALS"
_SECRET = re.compile(rf"(\w*_)?({_KEYS})(_ID)?(_?\d+)?", re.IGNORECASE)
"""The end of a name says what it is: TOKEN_LIMIT is a limit, not a token."""
_MAY_BE_SECRET = re.compile(rf"(\w*_)?({_KEYS})(_\w*)?", re.IGNORECASE)


def what_is_read(
    names: Iterable[str], environment: Mapping[str, str] = os.environ
) -> dict[str, str]:
    """A hash of each variable that is set and counts, by a name for display."""
    return {
        f"{name} in the environment": _hash(name, environment[name])
        for name in sorted(set(names))
        if name in environment and counts(name)
    }


def counts(name: str) -> bool:
    """Whether a variable may change what a program computes."""
    return not _OF_SESSIONS.fullmatch(name) and not _SECRET.fullmatch(name)


def may_be_secret(name: str) -> bool:
    """Whether a variable with this name may hold a password or the like; True in doubt."""
    return _MAY_BE_SECRET.fullmatch(name) is not None


def _hash(name: str, value: str) -> str:
    return hashlib.sha256(f"{name}={value}".encode(errors="surrogatepass")).hexdigest()[:32]
