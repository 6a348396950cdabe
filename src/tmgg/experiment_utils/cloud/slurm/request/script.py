"""The job script as text. Pure: the same config gives the same script, and no command is run."""

import re
import shlex
import string
import sys
from dataclasses import dataclass, replace
from importlib import resources
from pathlib import Path

from tmgg.errors import ConfigError
from tmgg.experiment_utils.cloud.slurm.config import (
    RAY_MAX_WORKER_PORT,
    RAY_MIN_WORKER_PORT,
    RAY_PORT,
    SlurmConfig,
)
from tmgg.experiment_utils.cloud.slurm.request.directives import log_pattern, render_directives
from tmgg.experiment_utils.cloud.slurm.request.rank_script import (
    WITHOUT_GPU_DEFAULTS,
    managed_step,
    rank_gpu_option,
    rank_options,
    render_ranks_beside_ray,
)
from tmgg.experiment_utils.job.job_exit_codes import IN_SCRIPTS
from tmgg.experiment_utils.program.interpreter_options import interpreter_options
from tmgg.experiment_utils.run_folder.paths import BatchPaths, SubmissionPaths

ENTRYPOINT = (
    "import sys; from tmgg.experiment_utils.job.slurm_step import forget_step; forget_step(); "
    "from tmgg.experiment_utils.job.execute import execute_task; "
    "sys.exit(execute_task(sys.argv[1]))"
)
NO_TOKEN = "TOKEN"
"""Takes the place of the token in a script that is only shown."""
PACKED_MODULE = "tmgg.experiment_utils.packed.main"
# Seconds that srun lets the workers run after the first task has ended; they would stay a minute.
WORKER_WAIT_S = 2
EXECUTABLE_BY_OWNER = 0o700


@dataclass(frozen=True, kw_only=True, slots=True)
class Interpreter:
    """The Python of the job: the command, and the folder to put first on PATH before the setup."""

    command: str = "python"
    folder: Path | None = None
    options: tuple[str, ...] = ()
    """Only the experiment's process gets them: with `-W error` a warning would end TMGG's own."""

    @classmethod
    def submitting(cls) -> "Interpreter":
        """This process's interpreter, by a name that exists in its folder, with its options."""
        folder = Path(sys.executable).parent
        command = "python" if (folder / "python").exists() else Path(sys.executable).name
        return cls(command=command, folder=folder, options=tuple(interpreter_options()))


class _Template(string.Template):
    # `@{name}` instead of `${name}`, because the dollar sign belongs to bash.
    delimiter = "@"
    pattern = r"@(?:(?P<escaped>@)|(?P<named>(?!))|\{(?P<braced>[a-z_]+)\}|(?P<invalid>\{))"  # type: ignore[assignment]


@dataclass(frozen=True, slots=True)
class _Python:
    """The interpreter, quoted for bash."""

    command: str
    options: tuple[str, ...]

    @property
    def experiment(self) -> str:
        """The command of the process that runs the experiment."""
        return " ".join([self.command, *map(shlex.quote, self.options)])

    def handed_on(self) -> list[str]:
        """Options for a process of TMGG that starts the experiment with these options of Python."""
        return [f"--python-option={shlex.quote(each)}" for each in self.options]


@dataclass(frozen=True, kw_only=True, slots=True)
class _Job:
    """What differs between the job of one run, a job array and the job of a packed sweep."""

    stdout: str
    """As an sbatch pattern."""
    stderr: str
    run: str
    """Shell code that finds out which run the job is, and where the run's files are."""
    folder: str = ""
    """Used only by sites' own templates from before TMGG had job arrays; `ended` as well."""
    ended: str = ""
    array: str | None = None
    outlives_nodes: bool = False
    """Whether the allocation goes on when one of its nodes is lost."""
    entrypoint: str = ""
    """What the managed bootstrap runs in place of the experiment, with its arguments."""


def render_script(
    config: SlurmConfig,
    paths: SubmissionPaths,
    *,
    base: Path,
    interpreter: Interpreter,
    token: str = NO_TOKEN,
) -> str:
    """The whole job script of one submission; `base` is the working directory of the job.

    `token` is the submission's token; the files that the job writes contain it.

    Raises ConfigError if the site's own template cannot be read or filled.
    """
    job = _job_of_run(paths, base, token)
    return _render_job(config, job, _template_text(config), base=base, interpreter=interpreter)


def render_array_script(
    config: SlurmConfig,
    batch: BatchPaths,
    *,
    array: str,
    base: Path,
    interpreter: Interpreter,
    token: str = NO_TOKEN,
) -> str:
    """The job script of all runs of a batch; `array` is the value of `--array`, as in `0-99%4`.

    Raises ConfigError as `render_script`, and if the site's own template is for single runs only.
    """
    template = _template_text(config, needs_run=True)
    job = _job_of_array(config, batch, array, base, token)
    return _render_job(config, job, template, base=base, interpreter=interpreter)


def render_packed_script(
    config: SlurmConfig,
    batch: BatchPaths,
    *,
    base: Path,
    interpreter: Interpreter,
    token: str = NO_TOKEN,
) -> str:
    """The script of the one job that runs all runs of a batch.

    Raises ConfigError as `render_array_script`, and as `refuse_other_bootstrap`.
    """
    refuse_other_bootstrap(config)
    if config.tasks_per_node is not None:
        # A sweep may be packed though its config is not: check the ranks again, which may raise.
        replace(config, sweep_mode="packed")
    template = _template_text(config, needs_run=True)
    job = _job_of_batch(config, batch, base, token, interpreter)
    config = replace(config, ray_bootstrap="managed")
    return _render_job(config, job, template, base=base, interpreter=interpreter)


def refuse_other_bootstrap(config: SlurmConfig) -> None:
    """Raises ConfigError if the config demands a bootstrap that a packed sweep cannot use."""
    if config.ray_bootstrap not in ("auto", "managed"):
        raise ConfigError(
            f"slurm_ray_bootstrap={config.ray_bootstrap} must be managed or auto: a packed sweep "
            "needs the managed bootstrap"
        )


def _render_job(
    config: SlurmConfig, job: _Job, template: str, *, base: Path, interpreter: Interpreter
) -> str:
    command = _python_command(config, interpreter, base)
    python = _command_word(command)
    bootstrap = config.resolved_ray_bootstrap
    ranks_alone = bootstrap == "none" and config.tasks_per_node is not None
    launch = _render_ranks if ranks_alone else _LAUNCHERS[bootstrap]
    return _fill(
        template,
        directives=render_directives(
            config,
            stdout=job.stdout,
            stderr=job.stderr,
            array=job.array,
            outlives_nodes=job.outlives_nodes,
        ),
        run=job.run.rstrip("\n"),
        folder=job.folder,
        ended=job.ended,
        path=_render_path(Path(command).parent if "/" in command else interpreter.folder),
        setup="\n".join(config.setup_commands),
        setup_lines=" ".join(str(text.count("\n") + 1) for text in config.setup_commands),
        python=python,
        max_restarts=str(config.restarts),
        preflight="--ray" if bootstrap == "symmetric-run" else "--no-ray",
        launch=launch(config, _Python(python, interpreter.options), job.entrypoint),
    )


def leaves_token(script: str) -> bool:
    """Whether the exit records of a job have its token; those of a site's own template may not."""
    return '"$TMGG_SUBMISSION" "$tmgg_job"' in script


def _job_of_run(paths: SubmissionPaths, base: Path, token: str) -> _Job:
    folder, ended = shlex.quote(str(paths.folder)), shlex.quote(str(paths.ended))
    return _Job(
        stdout=log_pattern(paths.run_paths.stdout, base),
        stderr=log_pattern(paths.run_paths.stderr, base),
        run=_fill(_packaged("run_alone.sh.template"), folder=folder, ended=ended, job_token=token),
        folder=folder,
        ended=ended,
    )


def _job_of_array(
    config: SlurmConfig, batch: BatchPaths, array: str, base: Path, job_token: str
) -> _Job:
    return _Job(
        stdout=log_pattern(batch.logs, base, name="%a.out"),
        stderr=log_pattern(batch.logs, base, name="%a.err"),
        run=_fill(
            _packaged("run_of_array.sh.template"),
            batch=shlex.quote(str(batch.folder)),
            job_token=job_token,
            output=shlex.quote(str(batch.output_dir)),
            token=_fill(_packaged("ray_token.sh.template")) if config.needs_token else "",
        ),
        array=array,
    )


def _job_of_batch(
    config: SlurmConfig, batch: BatchPaths, base: Path, job_token: str, interpreter: Interpreter
) -> _Job:
    return _Job(
        stdout=log_pattern(batch.job_stdout, base),
        stderr=log_pattern(batch.job_stderr, base),
        run=_fill(
            _packaged("run_packed.sh.template"),
            folder=shlex.quote(str(batch.folder)),
            job_token=job_token,
            token=_fill(_packaged("ray_token.sh.template")),
        ),
        outlives_nodes=True,
        entrypoint=_packed_entrypoint(config, _Python("", interpreter.options)),
    )


def _packed_entrypoint(config: SlurmConfig, python: _Python) -> str:
    words = [PACKED_MODULE]
    if config.runs_per_node is not None:
        words.append(f"--runs-per-node={config.runs_per_node}")
    if config.time_limit_s is not None:
        words.append(f"--limit={config.time_limit_s}")
    return " ".join([*words, *python.handed_on()])


def _python_command(config: SlurmConfig, interpreter: Interpreter, base: Path) -> str:
    if config.python is None:
        return interpreter.command
    if "/" not in config.python:
        return config.python
    return str((base / Path(config.python).expanduser()).absolute())


def _command_word(command: str) -> str:
    """One word that bash takes as a command, never as a keyword or an assignment."""
    if re.fullmatch(r"[A-Za-z0-9_./+-]*python[0-9.]*", command):
        return command
    return "'" + command.replace("'", "'\"'\"'") + "'"


def _render_path(folder: Path | None) -> str:
    if folder is None:
        return ""
    if ":" in str(folder):
        raise ConfigError(
            f"{str(folder)!r} cannot be on PATH, where ':' separates folders. "
            "Set slurm_python to an interpreter elsewhere."
        )
    return f'export PATH={shlex.quote(str(folder))}:"$PATH"\n'


def _render_symmetric_run(config: SlurmConfig, python: _Python, _entrypoint: str) -> str:
    default_ports = (RAY_MIN_WORKER_PORT, RAY_MAX_WORKER_PORT)
    ports = (config.min_worker_port, config.max_worker_port)
    lines = "    --min-worker-port={} --max-worker-port={} \\\n".format(*ports)
    return _fill(
        _packaged("launch_symmetric_run.sh.template"),
        python=python.command,
        python_of_experiment=python.experiment,
        ray_port=str(config.ray_port),
        wait_s=str(WORKER_WAIT_S),
        num_gpus=str(config.gpus_per_task),
        worker_ports="" if ports == default_ports else lines,
        entrypoint=ENTRYPOINT,
        scratch=shlex.quote(config.node_scratch),
    )


def _render_managed(config: SlurmConfig, python: _Python, entrypoint: str) -> str:
    if config.tasks_per_node is not None:
        entrypoint = render_ranks_beside_ray(config, python.command, python.handed_on())
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
        f"--scratch={shlex.quote(config.node_scratch)}",
        f"--start-timeout={config.ray_start_timeout_s:g}",
        # A program that runs in place of the experiment starts the experiment itself.
        *([f"-- {entrypoint}"] if entrypoint else python.handed_on()),
    ]
    return _fill(
        _packaged("launch_managed.sh.template"),
        python=python.command,
        num_gpus=str(config.gpus_per_node),
        **managed_step(config),
        options=" ".join(options),
        scratch=shlex.quote(config.node_scratch),
    )


def _render_ranks(config: SlurmConfig, python: _Python, _entrypoint: str) -> str:
    gpus = rank_gpu_option(config)
    return _fill(
        _packaged("launch_ranks.sh.template"),
        python=python.command,
        without=WITHOUT_GPU_DEFAULTS,
        ranks=str(config.ranks),
        tasks_per_node=str(config.tasks_per_node),
        gpu_option=f"{gpus} " if gpus else "",
        options=" ".join([*rank_options(config), *python.handed_on()]),
    )


def _render_plain(_config: SlurmConfig, python: _Python, _entrypoint: str) -> str:
    return _fill(
        _packaged("launch_plain.sh.template"), python=python.experiment, entrypoint=ENTRYPOINT
    )


_LAUNCHERS = {
    "symmetric-run": _render_symmetric_run,
    "managed": _render_managed,
    "none": _render_plain,
}


def _template_text(config: SlurmConfig, *, needs_run: bool = False) -> str:
    """The template. With `needs_run`, raises ConfigError for a template that has no `@{run}`."""
    if config.script_template is None:
        return _packaged("job.sh.template")
    try:
        text = Path(config.script_template).expanduser().read_text()
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(
            f"script_template={config.script_template!r} cannot be read: {error}"
        ) from error
    if needs_run and "@{run}" not in text:
        raise ConfigError(
            f"script_template={config.script_template!r} has no @{{run}}, which TMGG replaces "
            "with the runs of a job. Add it where tmgg_dir is set, or use sweep_mode=separate."
        )
    return text


def _packaged(name: str) -> str:
    return resources.files(__package__).joinpath(name).read_text()


def _fill(text: str, **values: str) -> str:
    try:
        return _Template(text).substitute(IN_SCRIPTS | values)
    except (KeyError, ValueError) as error:
        raise ConfigError(
            f"the job script template has an unknown placeholder: {error}. Known: "
            + ", ".join(f"@{{{name}}}" for name in values)
        ) from error
