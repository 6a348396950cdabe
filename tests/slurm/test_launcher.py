"""tmgg-experiment and TmggLauncher on a real cluster, as an ordinary user."""

import json
import re
import signal
from pathlib import Path

import pytest

from tests.slurm.login import PYTHON, Login

PROJECT = Path(__file__).parents[2]
TMGG_EXPERIMENT = (str(PYTHON), "-m", "tmgg.cli.experiment")
OWN = ("--config-dir", "conf", "--config-name", "own")
# What a run without Ray asks of the cluster.
PLAIN = (
    "hydra.launcher.slurm_nodes=1",
    "hydra.launcher.slurm_cpus_per_task=1",
    "hydra.launcher.slurm_gpus_per_task=0",
    "hydra.launcher.slurm_mem_per_cpu=500MB",
    "hydra.launcher.slurm_exclusive=false",
    "hydra.launcher.slurm_ray_bootstrap=none",
)
LAB = """
import time
from collections.abc import Callable


def run(config):
    if config.x == 13:
        raise ValueError("the loss is purple")
    time.sleep(config.duration_s)
    with open(f"{config.output_dir}/note.txt", "w") as note:
        note.write(str(config.x))
    nodes = 0
    if config.with_ray:
        import ray
        nodes = sum(node["Alive"] for node in ray.nodes())
    return {"loss": config.x ** 2, "ray_nodes": nodes}
"""
CONFIG = """
experiment:
  _target_: lab:run
x: 3
duration_s: 0
with_ray: false
output_dir: null
"""


@pytest.fixture
def lab(alice: Login) -> Login:
    """Alice's folder with an experiment and its config."""
    alice.write("lab.py", LAB)
    alice.write("conf/own.yaml", CONFIG)
    return alice


@pytest.mark.parametrize("nodes", [1, 3])
def test_one_command_brings_a_multi_node_ray_run_and_its_result_back(
    lab: Login, nodes: int
) -> None:
    done = lab.run(
        *TMGG_EXPERIMENT,
        *OWN,
        "with_ray=true",
        "hydra/launcher=tmgg_slurm",
        f"hydra.launcher.slurm_nodes={nodes}",
        "hydra.launcher.slurm_cpus_per_task=1",
        "hydra.launcher.slurm_mem_per_cpu=500MB",
        timeout_s=240,
    )

    rows = [line.split() for line in done.stdout.splitlines()]
    assert ["loss", "9"] in rows
    assert ["ray_nodes", str(nodes)] in rows
    assert f"nodes: {', '.join(f'node{k}' for k in range(1, nodes + 1))}" in done.stdout
    assert re.search(r"run \S+: (pending|running) \(", done.stderr)


def test_a_failure_comes_back_with_traceback_and_exit_code(lab: Login) -> None:
    done = lab.run(*TMGG_EXPERIMENT, *OWN, "x=13", "hydra/launcher=tmgg_slurm", *PLAIN, check=False)

    assert done.returncode == 1
    assert "failed (user_error)" in done.stderr
    assert 'raise ValueError("the loss is purple")' in done.stderr


def test_a_partition_that_does_not_exist_is_reported_in_slurms_words(lab: Login) -> None:
    done = lab.run(
        *TMGG_EXPERIMENT,
        *OWN,
        "hydra/launcher=tmgg_slurm",
        *PLAIN,
        "hydra.launcher.slurm_partition=nowhere",
        check=False,
    )

    assert done.returncode == 2
    assert "invalid partition" in done.stderr
    assert "batch" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_sweep_is_one_sbatch_for_each_config_and_outputs_land_where_hydra_says(
    lab: Login,
) -> None:
    done = lab.run(
        *TMGG_EXPERIMENT,
        *OWN,
        "-m",
        "x=1,13,3",
        "hydra.sweep.dir=sweep",
        "hydra/launcher=tmgg_slurm",
        *PLAIN,
        check=False,
    )

    assert done.returncode == 1
    assert "1 of 3 runs failed" in done.stderr
    assert [lab.read(f"sweep/{number}/note.txt") for number in (0, 2)] == ["1", "3"]
    assert lab.read("sweep/2/.hydra/overrides.yaml") == "- x=3\n"
    assert len(list(lab.host_folder.glob("slurm_outputs/*/1/job.sh"))) == 3


@pytest.mark.parametrize(
    ("mode", "options"),
    [
        ("array", ()),
        (
            "packed",
            ("hydra.launcher.slurm_ray_bootstrap=managed", "hydra.launcher.slurm_runs_per_node=2"),
        ),
    ],
)
def test_a_sweep_that_is_one_job_ends_like_separate_jobs(
    lab: Login, mode: str, options: tuple[str, ...]
) -> None:
    done = lab.run(
        *TMGG_EXPERIMENT,
        *OWN,
        "-m",
        "x=1,13,3",
        "hydra.sweep.dir=sweep",
        "hydra/launcher=tmgg_slurm",
        *PLAIN,
        f"hydra.launcher.slurm_sweep_mode={mode}",
        "hydra.launcher.metric=loss",
        *options,
        check=False,
        timeout_s=240,
    )

    assert done.returncode == 1
    assert "1 of 3 runs failed" in done.stderr
    assert "best loss: 1 (#0 x=1)" in done.stdout
    assert [lab.read(f"sweep/{number}/note.txt") for number in (0, 2)] == ["1", "3"]
    assert lab.read("sweep/2/.hydra/overrides.yaml") == "- x=3\n"
    summary = json.loads(lab.read("sweep/sweep_summary.json"))
    assert summary["counts"] == {"completed": 2, "failed": 1}
    assert len({run["job_id"].partition("_")[0] for run in summary["runs"]}) == 1


def test_ctrl_c_leaves_the_job_to_slurm(lab: Login) -> None:
    process = lab.start(
        *TMGG_EXPERIMENT, *OWN, "duration_s=600", "hydra/launcher=tmgg_slurm", *PLAIN
    )
    assert process.stderr is not None
    # Slurm says RUNNING before its answer to sbatch has been read.
    assert any(re.search(r"run \S+: running \(", line) for line in process.stderr)
    process.send_signal(signal.SIGINT)
    _out, err = process.communicate(timeout=60)

    assert process.returncode == 130
    assert "tmgg-jobs wait" in err
    assert list(lab.job_states().values()) == ["RUNNING"]


@pytest.mark.long  # three minutes
def test_hydras_own_suites_pass_on_slurm(alice: Login) -> None:
    """LauncherTestSuite, BatchedSweeperTestSuite and IntegrationTestSuite."""
    done = alice.run(
        str(PYTHON),
        "-m",
        "pytest",
        "-q",
        "-p",
        "no:cacheprovider",
        f"--basetemp={alice.folder}/tests",
        f"--rootdir={PROJECT}",
        str(PROJECT / "tests" / "hydra" / "test_launcher_suites.py"),
        timeout_s=280,
        check=False,
        env={"TMGG_SUITE_LAUNCHER": "tmgg_slurm", "TMGG_SUITE_OPTIONS": " ".join(PLAIN)},
    )

    assert done.returncode == 0, done.stdout[-4000:]
    assert "22 passed" in done.stdout
