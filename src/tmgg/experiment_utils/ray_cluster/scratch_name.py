"""The name of the folder on a node's own disk: which names are valid, and how long they may be.

Ray binds sockets in it, and a socket's name must fit into `sockaddr_un` (unix(7)).
"""

import hashlib
import re
from collections.abc import Mapping
from pathlib import Path

PREFIX = "tmgg-"
# 30 bits: to make all these folders before the job does, one would need 10^9 of them.
_DIGEST_LETTERS = 6
_LETTERS = "abcdefghijklmnopqrstuvwxyz234567"  # 5 bits each
LONGEST_SOCKET = 107
"""Bytes in sun_path, without the null byte at the end."""
LONGEST_OF_RAY = "/ray/session_2026-01-31_12-00-00_123456_4194304/sockets/dash_TaskEventsHead"
"""The longest name of a socket that Ray makes below RAY_TMPDIR, with the largest process number.

It is a socket of the dashboard in Ray 2.60 (`ray/dashboard/subprocesses/utils.py`). In 2.54 the
longest is `dash_MetricsHead`; without a dashboard it is `plasma_store`. Ray has no option to change
the names. The socket of a `multiprocessing` manager in the folder's `tmp` has a shorter name:
pymp-abcdefgh/listener-abcdefgh.
"""
_OWN_FOLDER = len("/") + len(PREFIX) + _DIGEST_LETTERS
LONGEST_SCRATCH = LONGEST_SOCKET - len(LONGEST_OF_RAY) - _OWN_FOLDER
"""Bytes that remain for `node_scratch`, with its variables replaced."""
_OWN_NAME = re.compile(rf"{re.escape(PREFIX)}[{_LETTERS}]{{{_DIGEST_LETTERS}}}")
_NAME = re.compile(r"(/([A-Za-z0-9_.-]|\$[A-Za-z_][A-Za-z0-9_]*)+)+")
_VARIABLE = re.compile(r"\$([A-Za-z_][A-Za-z0-9_]*)")
_PLAIN = re.compile(r"(/[A-Za-z0-9_.-]+)+")
_STEP = re.compile(r"/\.\.?(/|$)")


class ScratchNameError(Exception):
    """The folder cannot have this name; the message says why, and what to do."""


def check_name(text: object) -> None:
    """Check the option `node_scratch`, before its variables are replaced.

    Raises ScratchNameError.
    """
    if not isinstance(text, str) or not _NAME.fullmatch(text) or _STEP.search(text):
        raise ScratchNameError(
            "must be an absolute path of letters, digits and `_.-`, in which $NAME stands for a "
            "variable of the job"
        )
    _check_length(_VARIABLE.sub("", text), " beside its variables" if "$" in text else "")


def folder_of_start(text: str, environment: Mapping[str, str], *, secret: bytes) -> Path:
    """The folder of this start of the job: the same path on every node, as Ray requires.

    It cannot be guessed without the job's secret, so no other user can make it first. Raises
    ScratchNameError if a variable is not set, or if the resulting name is not valid.
    """
    return _expand(text, environment) / f"{PREFIX}{_digest(environment, secret)}"


def is_name_of_start(name: str) -> bool:
    """Whether the name has the form of those from `folder_of_start`."""
    return _OWN_NAME.fullmatch(name) is not None


def _digest(environment: Mapping[str, str], secret: bytes) -> str:
    start = f"{environment['SLURM_JOB_ID']}.{environment.get('SLURM_RESTART_COUNT', '0')}"
    number = int.from_bytes(
        hashlib.blake2b(start.encode(), key=secret[:64], digest_size=4).digest()
    )
    return "".join(_LETTERS[number >> 5 * place & 31] for place in range(_DIGEST_LETTERS))


def _expand(text: str, environment: Mapping[str, str]) -> Path:
    def value(found: re.Match[str]) -> str:
        setting = environment.get(found[1], "")
        if not setting:
            raise ScratchNameError(f"slurm_node_scratch={text}: the job has no variable {found[1]}")
        return setting

    path = _VARIABLE.sub(value, text)
    if path == text:
        here = f"slurm_node_scratch={text}"
    else:
        here = f"slurm_node_scratch={text}, which is {path!r} in this job,"
    if not _PLAIN.fullmatch(path) or _STEP.search(path):
        raise ScratchNameError(f"{here} must be an absolute path of letters, digits and `_.-`")
    try:
        _check_length(path)
    except ScratchNameError as error:
        raise ScratchNameError(f"{here} {error}") from error
    return Path(path)


def _check_length(path: str, what: str = "") -> None:
    too_many = len(path) - LONGEST_SCRATCH
    if too_many > 0:
        raise ScratchNameError(
            f"has {len(path)} bytes{what}, {too_many} too many: a socket's name has "
            f"{LONGEST_SOCKET} at most; Ray's part of it takes {len(LONGEST_OF_RAY)} and the "
            f"job's own folder {_OWN_FOLDER}, so {LONGEST_SCRATCH} are left. Choose a shorter path."
        )
