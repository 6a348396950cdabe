"""Checks of settings as Slurm and the job script need them; `cloud.checks` has the others."""

import math
import re
import subprocess
from collections.abc import Sequence

from tmgg.errors import ConfigError
from tmgg.experiment_utils.ray_cluster.scratch_name import ScratchNameError, check_name

LEAST_JOB_PORTS = 50
_TIME = re.compile(
    r"(?P<minutes>\d{1,7})"
    r"|(?P<m>\d{1,7}):(?P<s>\d{1,2})"
    r"|(?P<h>\d{1,7}):(?P<hm>\d{1,2}):(?P<hs>\d{1,2})"
    r"|(?P<d>\d{1,5})-(?P<dh>\d{1,2})(:(?P<dm>\d{1,2})(:(?P<ds>\d{1,2}))?)?"
)
MEGABYTES = {"K": 1 / 1024, "M": 1, "G": 1024, "T": 1024**2}
_MEMORY = re.compile(r"(?P<amount>[1-9]\d{0,11})(?P<unit>[KMGT]B?)?", re.IGNORECASE)


def scratch_folder(name: str, value: object) -> None:
    """An absolute path on the nodes that leaves room for the names of Ray's sockets."""
    try:
        check_name(value)
    except ScratchNameError as error:
        raise ConfigError(f"{name}={value!r} {error}") from error


def port_ranges(*, head: int, workers: tuple[int, int], job: tuple[int, int]) -> None:
    """Check Ray's head port, its workers' range, and the range from which a job gets its ports."""
    first, last = workers
    if first >= last:
        raise ConfigError(f"min_worker_port={first} must be below max_worker_port={last}")
    if first <= head <= last:
        raise ConfigError(
            f"ray_port={head} lies among the worker ports {first} to {last}; "
            "Ray refuses that. Move one of them."
        )
    if job[1] - job[0] + 1 < LEAST_JOB_PORTS:
        raise ConfigError(
            f"min_job_port={job[0]} and max_job_port={job[1]} leave too "
            f"few ports; a job needs {LEAST_JOB_PORTS}"
        )


def time_limit(name: str, value: object) -> None:
    if isinstance(value, int) and not isinstance(value, bool):
        raise ConfigError(
            f"{name}={value} is a number; YAML reads 12:00:00 without quotes as a number. "
            'In a file write the time in quotes, for example "12:00:00". '
            "On a command line write HH:MM:SS, for example 00:10:00 for 10 minutes."
        )
    if not isinstance(value, str):
        raise ConfigError(f"{name}={value!r} must be text such as '08:00:00'")
    seconds = parse_time_limit_s(value)
    if seconds == 0:
        raise ConfigError(f"{name}={value!r} must be more than 0 (Slurm reads 0 as unlimited)")


def parse_time_limit_s(value: str) -> int | None:
    """Seconds in a Slurm time limit (sbatch(1), --time); None when unlimited."""
    if value.upper() in ("UNLIMITED", "INFINITE"):
        return None
    found = _TIME.fullmatch(value)
    if not found or not value.isascii():
        raise ConfigError(
            f"time_limit={value!r} is not a time limit; write HH:MM:SS, D-HH:MM:SS or minutes"
        )
    part = {key: int(text) for key, text in found.groupdict().items() if text is not None and key}
    for key in ("s", "hm", "hs", "dm", "ds"):
        if part.get(key, 0) > 59:
            raise ConfigError(
                f"time_limit={value!r}: {part[key]} minutes or seconds; at most 59 are allowed"
            )
    if part.get("dh", 0) > 23:
        raise ConfigError(f"time_limit={value!r}: {part['dh']} is more than 23 hours after days")
    days, hours = part.get("d", 0), part.get("h", 0) + part.get("dh", 0)
    minutes = sum(part.get(key, 0) for key in ("minutes", "m", "hm", "dm"))
    seconds = sum(part.get(key, 0) for key in ("s", "hs", "ds"))
    return ((days * 24 + hours) * 60 + minutes) * 60 + seconds


def memory_text(value: object) -> object:
    """An amount of memory as text; a whole number means megabytes, as for sbatch."""
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else value


def memory(name: str, value: object) -> None:
    if not isinstance(value, str) or not value.isascii() or not _MEMORY.fullmatch(value):
        raise ConfigError(f"{name}={value!r} is not an amount of memory; write for example '4GB'")


def scale_memory(value: str, factor: float) -> str:
    """`factor` times an amount of memory, in whole megabytes."""
    return f"{max(1, math.ceil(_megabytes(value) * factor))}MB"


def memory_mb(value: str) -> int:
    """An amount of memory in megabytes."""
    return round(_megabytes(value))


def _megabytes(value: str) -> float:
    found = _MEMORY.fullmatch(value)
    assert found is not None
    unit = (found["unit"] or "M")[0].upper()
    return int(found["amount"]) * MEGABYTES[unit]


def setup_commands(name: str, commands: Sequence[str]) -> None:
    """Each command must be complete shell syntax: it must not join with the lines after it."""
    for command in commands:
        if not command.strip() or "\0" in command or "\r" in command:
            raise ConfigError(f"{name} holds {command!r}, which is not a command")
        if command.endswith("\\"):
            raise ConfigError(
                f"{name}: {command!r} ends in a backslash, so it would continue on the next line"
            )
        complaint = _syntax_complaint(command)
        if complaint:
            raise ConfigError(f"{name}: {command!r} is not complete shell: {complaint}")


def _syntax_complaint(command: str) -> str:
    try:
        checked = subprocess.run(
            ["bash", "-n"],
            input=command + "\n",
            capture_output=True,
            text=True,
            timeout=10,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return ""  # no bash on this machine: the bash of the job script will report an error
    return checked.stderr.strip()
