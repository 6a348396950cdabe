"""The `#SBATCH` lines of a job script. Pure."""

import re
from collections.abc import Sequence
from pathlib import Path

from tmgg.experiment_utils.cloud.slurm.config import SlurmConfig
from tmgg.experiment_utils.cloud.slurm.request.gpu_request import render_gpus


def render_directives(
    config: SlurmConfig, *, stdout: str, stderr: str, array: str | None, outlives_nodes: bool
) -> str:
    """The `#SBATCH` lines: the common options in a fixed order, then all others.

    `stdout` and `stderr` are from `log_pattern`; `array` is None if the job is not an array.
    """
    gpus, gpus_as_resource = render_gpus(
        config.gpu_request,
        per_task=config.gpus_per_task,
        per_node=config.gpus_per_node,
        gpu_type=config.gpu_type,
    )
    extra_options = config.extra_options
    options = [
        f"--job-name={quoted_directive(config.job_name)}",
        f"--nodes={config.nodes}",
        "--exclusive" if config.exclusive else "",
        f"--tasks-per-node={config.tasks_per_node or 1}",
        f"--cpus-per-task={config.cpus_per_task}",
        gpus,
        config.memory.option,
        f"--time={config.time_limit}",
        f"--partition={config.partition}" if config.partition is not None else "",
        f"--output={stdout}",
        f"--error={stderr}",
        "--open-mode=append",
        f"--array={array}" if array else "",
        "--no-kill" if outlives_nodes else "",
        *_optional(config),
        *_resources(gpus_as_resource, extra_options),
        *(_extra(option) for option in extra_options if not _is_gres(option)),
    ]
    return "\n".join(f"#SBATCH {option}" for option in options if option)


def quoted_directive(value: str) -> str:
    """`value`, quoted if sbatch would otherwise read it differently in a `#SBATCH` line.

    sbatch(1) splits these lines itself: quotes group, a backslash escapes, `#` begins a comment.
    """
    if re.fullmatch(r"[A-Za-z0-9_./:,=@%+\[\]&|*()-]+", value):
        return value
    return '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'


def _optional(config: SlurmConfig) -> list[str]:
    named = {
        "account": config.account,
        "qos": config.qos,
        "constraint": config.constraint,
        "reservation": config.reservation,
        "nodelist": config.nodelist,
        "exclude": config.exclude,
        "dependency": config.dependency,
        "mail-user": config.mail_user,
        "mail-type": config.mail_type,
    }
    options = [f"--{name}={value}" for name, value in named.items() if value is not None]
    if lead_s := config.resolved_signal_lead_s:
        options.append(f"--signal=B:USR2@{lead_s}")
    if config.no_kill:
        options.append("--no-kill")
    if config.requeue is not None:
        options.append(_requeue(config.requeue))
    return options


def _requeue(requeue: bool | str) -> str:
    if isinstance(requeue, str):
        return f"--requeue={requeue}"
    return "--requeue" if requeue else "--no-requeue"


def _is_gres(option: str) -> bool:
    return option.startswith("--gres=")


def _resources(gpus: str, options: Sequence[str]) -> list[str]:
    """One `--gres` with all resources: if there are several, sbatch uses only the last."""
    others = [option.partition("=")[2] for option in options if _is_gres(option)]
    resources = ",".join(item for item in (gpus, *others) if item)
    return [f"--gres={quoted_directive(resources)}"] if resources else []


def _extra(option: str) -> str:
    name, equals, value = option.partition("=")
    return f"{name}{equals}{quoted_directive(value)}" if equals else name


def log_pattern(log: Path, base: Path, *, name: str = "") -> str:
    """The log's path for sbatch; with `name` (a pattern), `log` is the folder of that file."""
    # Relative to `base` if possible, as people write it. But Slurm puts the working directory in
    # front of a relative path, and then looks for patterns (%j) and backslashes in all of it. In a
    # path with a backslash it looks for no patterns. (An array then has one log file, and the job
    # script of each element writes to the run's own log instead: see run_of_array.sh.template.)
    is_plain = not re.search(r"[%\\]", str(base)) and log.is_relative_to(base)
    shown = str(log.relative_to(base) if is_plain else log)
    has_patterns = "\\" not in shown
    escaped = shown.replace("%", "%%") if has_patterns else shown.replace("\\", "\\\\")
    return quoted_directive(escaped + (f"/{name}" if name else ""))
