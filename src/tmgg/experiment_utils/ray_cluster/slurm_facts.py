"""The few facts that the head asks Slurm for; each has a default if Slurm does not answer."""

import re
import subprocess
from collections.abc import Sequence

_TIMEOUT_S = 10
DEFAULT_KILL_WAIT_S = 30.0
"""Slurm's own default."""
DEFAULT_SLURMD_TIMEOUT_S = 300.0
"""Slurm's own default."""


def kill_wait_argv() -> list[str]:
    """The command whose output `parse_kill_wait` reads; it is one small request to slurmctld."""
    return ["scontrol", "show", "config"]


def parse_kill_wait(text: str) -> float:
    """Seconds between Slurm's SIGTERM and SIGKILL; Slurm's default if the text has no value."""
    found = re.search(r"^KillWait\s*=\s*(\d+)", text, re.MULTILINE)
    return float(found.group(1)) if found else DEFAULT_KILL_WAIT_S


def parse_slurmd_timeout(text: str) -> float:
    """Seconds after which Slurm takes a silent node for lost; 0 means never.

    Slurm's default if the text has no value.
    """
    found = re.search(r"^SlurmdTimeout\s*=\s*(\d+)", text, re.MULTILINE)
    return float(found.group(1)) if found else DEFAULT_SLURMD_TIMEOUT_S


def slurmd_timeout_s() -> float:
    """As `parse_slurmd_timeout`, from Slurm's answer now."""
    try:
        answer = subprocess.run(
            kill_wait_argv(), capture_output=True, text=True, timeout=_TIMEOUT_S, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return DEFAULT_SLURMD_TIMEOUT_S
    return parse_slurmd_timeout(answer.stdout)


def expand_node_names(nodelist: str) -> list[str]:
    """The names in a list such as `node[1-3]`; empty without scontrol. Does not ask slurmctld."""
    return _lines(["scontrol", "show", "hostnames", nodelist]) if nodelist else []


def _lines(argv: Sequence[str]) -> list[str]:
    try:
        found = subprocess.run(
            argv, capture_output=True, text=True, timeout=_TIMEOUT_S, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return []
    return found.stdout.split()
