"""Further sbatch options: which a user may give, and which belong to a field or to TMGG itself."""

import re
from collections.abc import Mapping, Sequence

from tmgg.errors import ConfigError

_RESOURCES = "--gres"
_NAME = re.compile(r"[a-z][a-z0-9-]*")
_OPTION = re.compile(r"(?P<name>--[a-z][a-z0-9-]*)(?P<value>=.*)?|(?P<flag>-[A-Za-z])")

# Options by the field that sets them. Under "" are options that TMGG sets itself, or that would
# break its bookkeeping: another environment for srun (--export), or no job at all.
_OWNED = {
    "account": ("--account", "-A"),
    "clusters": ("--clusters", "--cluster", "-M"),
    "constraint": ("--constraint", "-C"),
    "cpus_per_task": ("--cpus-per-task", "-c", "--cpus-per-gpu"),
    "dependency": ("--dependency", "-d"),
    "exclude": ("--exclude", "-x"),
    "exclusive": ("--exclusive", "--oversubscribe", "-s"),
    "gpus_per_task": ("--gpus-per-task", "--gpus-per-socket"),
    "gpus_per_task and gpu_request=job": ("--gpus", "-G"),
    "gpus_per_task and gpu_request=node": ("--gpus-per-node",),
    "gpus_per_task and gpu_request=gres": ("--gres",),
    "job_name": ("--job-name", "-J"),
    "mail_type": ("--mail-type",),
    "mail_user": ("--mail-user",),
    "mem_per_cpu": ("--mem-per-cpu",),
    "mem_per_gpu": ("--mem-per-gpu",),
    "mem_per_node": ("--mem",),
    "no_kill": ("--no-kill", "-k"),
    "nodelist": ("--nodelist", "-w", "--nodefile", "-F"),
    "nodes": ("--nodes", "-N"),
    "tasks_per_node": (
        "--ntasks-per-node", "--tasks-per-node", "--ntasks", "-n", "--ntasks-per-gpu",
    ),
    "output_dir": ("--output", "-o", "--error", "-e", "--chdir", "-D"),
    "partition": ("--partition", "-p"),
    "qos": ("--qos", "-q"),
    "requeue": ("--requeue", "--no-requeue"),
    "reservation": ("--reservation",),
    "signal_lead_s": ("--signal",),
    "time_limit": ("--time", "-t"),
    "": (
        "--array", "-a", "--comment", "--export", "--export-file", "--help",
        "-h", "--input", "-i", "--open-mode", "--parsable", "--quiet", "-Q", "--test-only",
        "--usage", "--version", "-V", "--wait", "-W", "--wrap",
    ),
}  # fmt: skip
_FIELD_OF = {option: field for field, options in _OWNED.items() for option in options}


def check_extra_args(name: str, options: Sequence[str]) -> None:
    """Each item must be one sbatch option, with its value after `=`.

    Raises ConfigError if it is not, or if a field or TMGG itself sets the option.
    """
    for option in options:
        found = _OPTION.fullmatch(option)
        if not found or not option.isprintable():
            raise ConfigError(
                f"{name} holds {option!r}; write each option as one item, --name or --name=value"
            )
        owned = _owned_option(found["flag"] or found["name"])
        if owned is not None and not _is_other_resource(option):
            field = _FIELD_OF[owned]
            advice = f"set {field} instead" if field else "TMGG sets it or relies on its absence"
            raise ConfigError(f"{name}: {option!r} is not allowed here; {advice}")


def option_list(name: str, options: object) -> tuple[str, ...]:
    """The arguments for sbatch options given by name: true is a flag, null leaves an option out.

    Raises ConfigError, as `check_extra_args`.
    """
    if not isinstance(options, Mapping):
        raise ConfigError(f"{name}={options!r} must be a mapping of names to values")
    found = tuple(
        _option_of(name, key, value) for key, value in options.items() if value is not None
    )
    check_extra_args(name, found)
    return found


def check_given_once(options: Mapping[str, Sequence[str]]) -> None:
    """Raises ConfigError if two of the lists have the same option.

    The keys are the names of the fields that hold the lists.
    """
    seen: dict[str, str] = {}
    for field, items in options.items():
        for option in dict.fromkeys(item.partition("=")[0] for item in items):
            if option in seen and option != _RESOURCES:
                raise ConfigError(
                    f"{seen[option]} and {field} both have {option}; leave it out of one of them"
                )
            seen[option] = field


def _option_of(name: str, key: object, value: object) -> str:
    if not isinstance(key, str) or not _NAME.fullmatch(key):
        raise ConfigError(
            f"{name} holds {key!r}; write the long name of an sbatch option, for example licenses"
        )
    if value is True:
        return f"--{key}"
    if isinstance(value, bool) or not isinstance(value, str | int):
        raise ConfigError(
            f"{name}.{key}={value!r} must be text, a whole number, true for a flag, or null to "
            "leave the option out"
        )
    return f"--{key}={value}"


def _is_other_resource(option: str) -> bool:
    """Whether it asks for generic resources other than GPUs, as in `--gres=lscratch:100`."""
    name, _, value = option.partition("=")
    items = [item.partition(":")[0] for item in value.split(",")]
    return name == _RESOURCES and all(item not in ("", "gpu", "none") for item in items)


def _owned_option(given: str) -> str | None:
    if given in _FIELD_OF or not given.startswith("--"):
        return given if given in _FIELD_OF else None
    # sbatch accepts unambiguous beginnings of long options (getopt_long): --outp is --output.
    return next((option for option in _FIELD_OF if option.startswith(given)), None)
