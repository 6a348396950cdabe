"""No setting may change what the job script runs: it is rendered with hostile text and run.

The script runs under bash with stand-ins for all that it calls; exactly the expected commands must
have run, with exactly the expected arguments, and no canary may have been written.
"""

import itertools
from pathlib import Path

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from tests.fakes.job_commands import JobCommands
from tmgg.errors import ConfigError
from tmgg.experiment_utils.cloud.slurm.config import SlurmConfig
from tmgg.experiment_utils.cloud.slurm.request.script import ENTRYPOINT, Interpreter, render_script
from tmgg.experiment_utils.run_folder.paths import RunPaths, SubmissionPaths, resolve_output_dir

PREFLIGHT = "tmgg.experiment_utils.ray_cluster.preflight"
FOLDER_KEEPER = "tmgg.experiment_utils.ray_cluster.folder_keeper"
HEAD_ADDRESS = "tmgg.experiment_utils.ray_cluster.head_address"
STEP = "tmgg.experiment_utils.job.slurm_step"
_numbers = itertools.count()
HOSTILE = [
    "$(touch canary)",
    "`touch canary`",
    "'; touch canary; '",
    '"; touch canary; "',
    "a\\'; touch canary #",
    "$HOME",
    "-n",
    "~",
    "a b  c",
    "*",
    "!x",
    "&& touch canary",
    "@{folder}",
    "%j",
    "é☃",
]
names = st.sampled_from(HOSTILE) | st.text(
    st.characters(exclude_categories=["C", "Z"], exclude_characters="/\\:")
    | st.sampled_from(" '\"$`;"),
    min_size=1,
    max_size=20,
)
examples = settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


def submission(config: SlurmConfig, base: Path) -> SubmissionPaths:
    """The folders that exist when a job begins."""
    paths = RunPaths(resolve_output_dir(config.output_dir, base), "run").submission(1)
    paths.folder.mkdir(parents=True)
    paths.run_paths.ended_folder.mkdir()
    return paths


def ray_commands(paths: SubmissionPaths, python: str) -> list[list[str]]:
    """All that may run, in order."""
    nodes = ["--nodes=2", "--ntasks=2"]
    return [
        [python, "-m", PREFLIGHT, "--ray"],
        ["scontrol", "show", "hostnames", "node[1-2]"],
        [python, "-m", HEAD_ADDRESS, "node1", "node2"],
        [
            "srun", "--overlap", "--mem=0", "--quiet", "--ntasks-per-node=1", "--cpus-per-task=1",
            *nodes, "--kill-on-bad-exit=1",
            "PYTHON", "-m", FOLDER_KEEPER, str(paths.folder), "/tmp",
        ],
        [
            "srun", *nodes, "--cpus-per-task=3", "--wait=2",
            "PYTHON", "-m", STEP, "ray", "symmetric-run",
            "--address", "10.0.0.1:6379", "--min-nodes", "2", "--num-cpus=3", "--num-gpus=1", "--",
            "PYTHON", "-u", "-c", ENTRYPOINT, str(paths.folder),
        ],
    ]  # fmt: skip


def with_python(calls: list[list[str]], command: str) -> list[list[str]]:
    return [[command if word == "PYTHON" else word for word in call] for call in calls]


@examples
@given(names.map(lambda name: f"a{name}".replace("\\", "")))
def test_any_output_folder_is_only_a_folder(tmp_path: Path, name: str) -> None:
    base = tmp_path / str(next(_numbers)) / "base"
    config = SlurmConfig(nodes=2, output_dir=name)
    paths = submission(config, base)
    commands = JobCommands.install(base.parent / "bin")
    script = render_script(config, paths, base=base, interpreter=Interpreter())
    done = commands.run(script, base)
    assert (done.returncode, done.stderr) == (0, "")
    assert commands.calls() == with_python(ray_commands(paths, "python"), "python")
    assert not list(base.parent.rglob("canary"))
    assert paths.ended.exists()


@examples
@given(names, st.booleans())
def test_any_folder_of_the_interpreter_is_only_a_folder(
    tmp_path: Path, name: str, configured: bool
) -> None:
    base = tmp_path / str(next(_numbers))
    folder = base / name
    config = SlurmConfig(nodes=2, python=str(folder / "python3") if configured else None)
    paths = submission(config, base)
    others = JobCommands.install(base / "others")
    interpreters = JobCommands.install(folder, names=("python3",))
    command = str(folder / "python3") if configured else "python3"
    script = render_script(
        config, paths, base=base, interpreter=Interpreter(command="python3", folder=folder)
    )
    done = others.run(script, base)
    assert (done.returncode, done.stderr) == (0, "")
    expected = with_python(ray_commands(paths, "python3"), command)
    assert [call for call in expected if call[0] == "python3"] == interpreters.calls()
    assert [call for call in expected if call[0] != "python3"] == others.calls()
    assert not list(base.rglob("canary"))


@examples
@given(st.text("abcz.+-_=1%!", min_size=1, max_size=9).filter(lambda name: name.strip(".")))
@example("if")
@example("A=1")
@example("PATH=x")
@example("!")
@example("time")
def test_any_name_of_the_interpreter_is_only_a_name(tmp_path: Path, name: str) -> None:
    base = tmp_path / str(next(_numbers))
    try:
        config = SlurmConfig(nodes=2, python=name)
    except ConfigError:
        return
    paths = submission(config, base)
    commands = JobCommands.install(base / "bin", names=("srun", "scontrol", name))
    script = render_script(config, paths, base=base, interpreter=Interpreter())
    done = commands.run(script, base)
    assert (done.returncode, done.stderr) == (0, "")
    assert commands.calls() == with_python(ray_commands(paths, name), name)
    assert not list(base.rglob("canary"))


@examples
@given(names, names)
def test_names_of_jobs_and_options_reach_no_shell(
    tmp_path: Path, job_name: str, value: str
) -> None:
    base = tmp_path / str(next(_numbers))
    config = SlurmConfig(nodes=2, job_name=job_name, extra_args=(f"--licenses={value}",))
    paths = submission(config, base)
    commands = JobCommands.install(base / "bin")
    script = render_script(config, paths, base=base, interpreter=Interpreter())
    done = commands.run(script, base)
    assert (done.returncode, done.stderr) == (0, "")
    assert commands.calls() == with_python(ray_commands(paths, "python"), "python")
    assert not list(base.rglob("canary"))


def test_a_command_beside_the_run_is_not_taken_for_the_real_one(tmp_path: Path) -> None:
    """A bare interpreter name must not put the working directory on PATH."""
    config = SlurmConfig(nodes=2, python="python3")
    paths = submission(config, tmp_path)
    commands = JobCommands.install(tmp_path / "bin")
    (tmp_path / "srun").write_text("#!/bin/sh\ntouch canary\n")
    (tmp_path / "srun").chmod(0o755)
    script = render_script(config, paths, base=tmp_path, interpreter=Interpreter())
    assert commands.run(script, tmp_path).returncode == 0
    assert not (tmp_path / "canary").exists()


def test_a_relative_interpreter_is_found_from_wherever_a_setup_command_goes(tmp_path: Path) -> None:
    config = SlurmConfig(
        nodes=2, python="my venv/bin/python", setup_commands=("cd /", "export PATH=$PATH")
    )
    paths = submission(config, tmp_path)
    commands = JobCommands.install(tmp_path / "bin", names=("srun", "scontrol"))
    interpreters = JobCommands.install(tmp_path / "my venv/bin", names=("python",))
    script = render_script(config, paths, base=tmp_path, interpreter=Interpreter())
    assert commands.run(script, tmp_path).returncode == 0
    assert len(interpreters.calls()) == 2


def test_an_interpreters_folder_that_cannot_be_on_path_is_refused(tmp_path: Path) -> None:
    paths = RunPaths(tmp_path, "run").submission(1)
    interpreter = Interpreter(folder=Path("/a:b"))
    with pytest.raises(ConfigError, match="'/a:b' cannot be on PATH"):
        render_script(SlurmConfig(), paths, base=tmp_path, interpreter=interpreter)
