"""Further sbatch options: which may be given, and which belong to a field or to TMGG itself."""

import re
from collections.abc import Sequence

from tmgg.errors import ConfigError

_OPTION = re.compile(r"(?P<name>--[a-z][a-z0-9-]*)(?P<value>=.*)?|(?P<flag>-[A-Za-z])")

# Option to the field that sets it; "" where the bookkeeping relies on the option's absence:
# another cluster, another environment for srun (--export) or no job at all.
_OWNED = {
    "account": ("--account", "-A"),
    "constraint": ("--constraint", "-C"),
    "cpus_per_task": ("--cpus-per-task", "-c", "--cpus-per-gpu"),
    "dependency": ("--dependency", "-d"),
    "exclude": ("--exclude", "-x"),
    "exclusive": ("--exclusive", "--oversubscribe", "-s"),
    "gpus_per_task": (
        "--gpus-per-task", "--gpus", "-G", "--gpus-per-node", "--gpus-per-socket", "--gres",
    ),
    "job_name": ("--job-name", "-J"),
    "mail_type": ("--mail-type",),
    "mail_user": ("--mail-user",),
    "mem_per_cpu": ("--mem-per-cpu", "--mem", "--mem-per-gpu"),
    "no_kill": ("--no-kill", "-k"),
    "nodelist": ("--nodelist", "-w", "--nodefile", "-F"),
    "nodes": (
        "--nodes", "-N", "--ntasks", "-n", "--ntasks-per-node", "--tasks-per-node",
        "--ntasks-per-gpu",
    ),
    "output_dir": ("--output", "-o", "--error", "-e", "--chdir", "-D"),
    "partition": ("--partition", "-p"),
    "qos": ("--qos", "-q"),
    "requeue": ("--requeue", "--no-requeue"),
    "reservation": ("--reservation",),
    "signal_lead_s": ("--signal",),
    "time_limit": ("--time", "-t"),
    "": (
        "--array", "-a", "--clusters", "-M", "--comment", "--export", "--export-file", "--help",
        "-h", "--input", "-i", "--open-mode", "--parsable", "--quiet", "-Q", "--test-only",
        "--usage", "--version", "-V", "--wait", "-W", "--wrap",
    ),
}  # fmt: skip
_FIELD_OF = {option: field for field, options in _OWNED.items() for option in options}


def check_extra_args(name: str, options: Sequence[str]) -> None:
    """Each item must be one sbatch option, with its value after `=`, that nobody else sets.

    Raises ConfigError.
    """
    for option in options:
        found = _OPTION.fullmatch(option)
        if not found or not option.isprintable():
            raise ConfigError(
                f"{name} holds {option!r}; write each option as one item, --name or --name=value"
            )
        owned = _owned_option(found["flag"] or found["name"])
        if owned is not None:
            field = _FIELD_OF[owned]
            advice = f"set {field} instead" if field else "TMGG sets it or relies on its absence"
            raise ConfigError(f"{name}: {option!r} is not allowed here; {advice}")


def _owned_option(given: str) -> str | None:
    if given in _FIELD_OF or not given.startswith("--"):
        return given if given in _FIELD_OF else None
    # sbatch accepts unambiguous beginnings of long options (getopt_long): --outp is --output.
    return next((option for option in _FIELD_OF if option.startswith(given)), None)
