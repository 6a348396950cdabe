"""Whatever starts the experiment starts it with the options of the Python that launched."""

from dataclasses import replace
from pathlib import Path

import pytest

from tests.fakes.job_commands import JobCommands
from tmgg.experiment_utils.cloud.slurm.config import SlurmConfig
from tmgg.experiment_utils.cloud.slurm.request.script import (
    PACKED_MODULE,
    Interpreter,
    render_packed_script,
    render_script,
)
from tmgg.experiment_utils.packed import main as packed
from tmgg.experiment_utils.ranks import options as of_ranks
from tmgg.experiment_utils.ray_cluster import options as of_nodes
from tmgg.experiment_utils.run_folder.paths import BatchPaths, SubmissionPaths

OPTIONS = (
    "-OO",
    '-Wignore:it\'s $HOME; "no" `one`:UserWarning',
    "-Xpycache_prefix=/tmp/a  b",
    "-X",
)
PYTHON = Interpreter(options=OPTIONS)
STEP = {
    "SLURM_CPUS_PER_TASK": "1", "SLURM_PROCID": "0", "SLURM_STEP_NUM_TASKS": "2",
    "SLURM_LOCALID": "0", "SLURM_NODEID": "0", "SLURM_JOB_ID": "7",
}  # fmt: skip
ONE, TWO = SlurmConfig(nodes=1), SlurmConfig(nodes=2)


def started(script: str, base: Path, bin_folder: Path) -> list[str]:
    """The step of the job that starts the experiment."""
    commands = JobCommands.install(bin_folder)
    commands.run(script, base)
    steps = [call for call in commands.calls() if call[0] == "srun" and call[1] != "--overlap"]
    return steps[0]


def of_run(config: SlurmConfig, paths: SubmissionPaths, tmp_path: Path) -> list[str]:
    base = paths.run_paths.output_dir.parent
    script = render_script(config, paths, base=base, interpreter=PYTHON)
    return started(script, base, tmp_path / "bin")


@pytest.mark.parametrize("bootstrap", ["none", "symmetric-run"])
def test_the_python_of_the_experiment_has_them(
    paths: SubmissionPaths, tmp_path: Path, bootstrap: str
) -> None:
    nodes = 1 if bootstrap == "none" else 2
    config = SlurmConfig(nodes=nodes, ray_bootstrap=bootstrap)  # type: ignore[arg-type]

    step = of_run(config, paths, tmp_path)

    begin = len(step) - step[::-1].index("python")
    assert tuple(step[begin : begin + len(OPTIONS)]) == OPTIONS
    assert step[begin + len(OPTIONS) : begin + len(OPTIONS) + 2] == ["-u", "-c"]


def test_the_supervisor_of_a_managed_ray_hands_them_on(
    paths: SubmissionPaths, tmp_path: Path
) -> None:
    step = of_run(replace(TWO, ray_bootstrap="managed"), paths, tmp_path)

    arguments = step[step.index("tmgg.experiment_utils.ray_cluster") + 1 :]
    assert of_nodes.parse_options(arguments, STEP).python_options == OPTIONS
    assert step[step.index("python") + 1] == "-u"


def test_the_supervisors_of_ranks_hand_them_on(paths: SubmissionPaths, tmp_path: Path) -> None:
    step = of_run(replace(TWO, tasks_per_node=1, ray_bootstrap="none"), paths, tmp_path)

    arguments = step[step.index("tmgg.experiment_utils.ranks") + 1 :]
    assert of_ranks.parse_options(arguments, STEP).python_options == OPTIONS


def test_ranks_beside_ray_have_them(paths: SubmissionPaths, tmp_path: Path) -> None:
    step = of_run(replace(TWO, tasks_per_node=1, ray_bootstrap="managed"), paths, tmp_path)

    arguments = step[step.index("tmgg.experiment_utils.ranks") + 1 :]
    assert of_ranks.parse_options(arguments, STEP).python_options == OPTIONS
    before = step[step.index("tmgg.experiment_utils.ray_cluster") + 1 : step.index("--")]
    assert of_nodes.parse_options(before, STEP).python_options == ()


def test_the_process_that_packed_runs_are_forks_of_has_them(base: Path, tmp_path: Path) -> None:
    batch = BatchPaths(base / "out", "sweep.1")
    batch.logs.mkdir(parents=True)
    batch.ended.parent.mkdir(exist_ok=True)
    script = render_packed_script(ONE, batch, base=base, interpreter=PYTHON)

    step = started(script, base, tmp_path / "bin")

    arguments = step[step.index(PACKED_MODULE) + 1 :]
    options = packed.parse_arguments([str(batch.folder), *arguments])
    assert tuple(options.python_option) == OPTIONS
