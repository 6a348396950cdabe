"""The job script as text. Pure: the same config gives the same script, and nothing is run."""

import re
import shlex
import string
import sys
from dataclasses import dataclass
from importlib import resources
from pathlib import Path

from tmgg.errors import ConfigError
from tmgg.experiment_utils.cloud.slurm.config import (
    RAY_MAX_WORKER_PORT,
    RAY_MIN_WORKER_PORT,
    RAY_PORT,
    SlurmConfig,
)
from tmgg.experiment_utils.paths import SubmissionPaths

ENTRYPOINT = (
    "import sys; from tmgg.experiment_utils.execute import execute_task; "
    "sys.exit(execute_task(sys.argv[1]))"
)
# How long srun leaves the workers once the first task has ended; they would linger for a minute.
WORKER_WAIT_S = 2


@dataclass(frozen=True, kw_only=True, slots=True)
class Interpreter:
    """The Python of the job: the command, and the folder to put first on PATH before the setup."""

    command: str = "python"
    folder: Path | None = None

    @classmethod
    def submitting(cls) -> "Interpreter":
        """The one running now, under a name that exists beside it."""
        folder = Path(sys.executable).parent
        command = "python" if (folder / "python").exists() else Path(sys.executable).name
        return cls(command=command, folder=folder)


class _Template(string.Template):
    # bash owns the dollar sign.
    delimiter = "@"
    pattern = r"@(?:(?P<escaped>@)|(?P<named>(?!))|\{(?P<braced>[a-z_]+)\}|(?P<invalid>\{))"  # type: ignore[assignment]


def render_script(
    config: SlurmConfig, paths: SubmissionPaths, *, base: Path, interpreter: Interpreter
) -> str:
    """The whole job script of one submission; `base` is the working directory of the job.

    Raises ConfigError when the site's own template cannot be read or filled.
    """
    command = _python_command(config, interpreter, base)
    python = _command_word(command)
    bootstrap = config.resolved_ray_bootstrap
    return _fill(
        _template_text(config),
        directives=render_directives(config, paths, base=base),
        folder=shlex.quote(str(paths.folder)),
        ended=shlex.quote(str(paths.ended)),
        path=_render_path(Path(command).parent if "/" in command else interpreter.folder),
        setup="\n".join(config.setup_commands),
        python=python,
        max_restarts=str(config.restarts),
        preflight="--ray" if bootstrap == "symmetric-run" else "--no-ray",
        launch=_LAUNCHERS[bootstrap](config, python),
    )


def render_directives(config: SlurmConfig, paths: SubmissionPaths, *, base: Path) -> str:
    """The `#SBATCH` lines: the spec's in the spec's order, then what else was asked for."""
    run = paths.run_paths
    options = [
        f"--job-name={quoted_directive(config.job_name)}",
        f"--nodes={config.nodes}",
        "--exclusive" if config.exclusive else "",
        "--tasks-per-node=1",
        f"--cpus-per-task={config.cpus_per_task}",
        f"--gpus-per-task={_gpus(config)}" if config.gpus_per_task else "",
        f"--mem-per-cpu={config.mem_per_cpu}",
        f"--time={config.time_limit}",
        f"--partition={config.partition}",
        f"--output={_log_pattern(run.stdout, base)}",
        f"--error={_log_pattern(run.stderr, base)}",
        "--open-mode=append",
        *_optional(config),
        *(_extra(option) for option in config.extra_args),
    ]
    return "\n".join(f"#SBATCH {option}" for option in options if option)


def quoted_directive(value: str) -> str:
    """`value` so that sbatch's own parser of `#SBATCH` lines reads it back unchanged.

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
    if config.resolved_signal_lead_s:
        options.append(f"--signal=B:USR2@{config.resolved_signal_lead_s}")
    if config.no_kill:
        options.append("--no-kill")
    if config.requeue is not None:
        options.append("--requeue" if config.requeue else "--no-requeue")
    return options


def _extra(option: str) -> str:
    name, equals, value = option.partition("=")
    return f"{name}{equals}{quoted_directive(value)}" if equals else name


def _gpus(config: SlurmConfig) -> str:
    return (
        f"{config.gpu_type}:{config.gpus_per_task}"
        if config.gpu_type
        else str(config.gpus_per_task)
    )


def _log_pattern(log: Path, base: Path) -> str:
    # Relative where it can be, as people write it; a per cent sign would begin a pattern (%j).
    shown = log.relative_to(base) if log.is_relative_to(base) else log
    return quoted_directive(str(shown).replace("%", "%%"))


def _python_command(config: SlurmConfig, interpreter: Interpreter, base: Path) -> str:
    if config.python is None:
        return interpreter.command
    if "/" not in config.python:
        return config.python
    return str((base / Path(config.python).expanduser()).absolute())


def _command_word(command: str) -> str:
    """One word that bash takes as a command: neither keyword nor assignment, whatever its name."""
    if re.fullmatch(r"[A-Za-z0-9_./+-]*python[0-9.]*", command):
        return command
    return "'" + command.replace("'", "'\"'\"'") + "'"


def _render_path(folder: Path | None) -> str:
    if folder is None:
        return ""
    if ":" in str(folder):
        raise ConfigError(f"{str(folder)!r} cannot be on PATH, where ':' separates folders")
    return f'export PATH={shlex.quote(str(folder))}:"$PATH"\n'


def _render_symmetric_run(config: SlurmConfig, python: str) -> str:
    default_ports = (RAY_MIN_WORKER_PORT, RAY_MAX_WORKER_PORT)
    ports = (config.min_worker_port, config.max_worker_port)
    lines = "    --min-worker-port={} --max-worker-port={} \\\n".format(*ports)
    return _fill(
        _packaged("launch_symmetric_run.sh.template"),
        python=python,
        ray_port=str(config.ray_port),
        wait_s=str(WORKER_WAIT_S),
        num_gpus=_shell_gpus(config),
        worker_ports="" if ports == default_ports else lines,
        entrypoint=ENTRYPOINT,
    )


def _render_managed(config: SlurmConfig, python: str) -> str:
    options = [f"--ports={config.min_job_port}-{config.max_job_port}"]
    workers = (config.min_worker_port, config.max_worker_port)
    if config.ray_port != RAY_PORT:
        options.append(f"--ray-port={config.ray_port}")
    if workers != (RAY_MIN_WORKER_PORT, RAY_MAX_WORKER_PORT):
        options.append("--worker-ports={}-{}".format(*workers))
    if config.network_interface is not None:
        options.append(f"--interface={config.network_interface}")
    if config.object_store_memory_mb is not None:
        options.append(f"--object-store-mb={config.object_store_memory_mb}")
    options += [
        f"--scratch={config.node_scratch}",
        f"--start-timeout={config.ray_start_timeout_s:g}",
    ]
    return _fill(
        _packaged("launch_managed.sh.template"),
        python=python,
        num_gpus=_shell_gpus(config),
        options=" ".join(options),
        scratch=config.node_scratch,
    )


def _render_plain(_config: SlurmConfig, python: str) -> str:
    return _fill(_packaged("launch_plain.sh.template"), python=python, entrypoint=ENTRYPOINT)


_LAUNCHERS = {
    "symmetric-run": _render_symmetric_run,
    "managed": _render_managed,
    "none": _render_plain,
}


def _shell_gpus(config: SlurmConfig) -> str:
    # With a GPU model Slurm's variable reads a100:2.
    return "${SLURM_GPUS_PER_TASK##*:}" if config.gpus_per_task else "0"


def _template_text(config: SlurmConfig) -> str:
    if config.script_template is None:
        return _packaged("job.sh.template")
    try:
        return Path(config.script_template).expanduser().read_text()
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(
            f"script_template={config.script_template!r} cannot be read: {error}"
        ) from error


def _packaged(name: str) -> str:
    return resources.files(__package__).joinpath(name).read_text()


def _fill(text: str, **values: str) -> str:
    try:
        return _Template(text).substitute(values)
    except (KeyError, ValueError) as error:
        raise ConfigError(
            f"the job script template has an unknown placeholder: {error}. Known: "
            + ", ".join(f"@{{{name}}}" for name in values)
        ) from error
