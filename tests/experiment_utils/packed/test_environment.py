"""What a packed run's process has of the job's environment."""

import json
from pathlib import Path

import pytest

from tmgg.experiment_utils.packed.allocation import is_shared_with_runs
from tmgg.experiment_utils.packed.main import preloads
from tmgg.experiment_utils.packed.node_agent import render_environment
from tmgg.experiment_utils.packed.node_share import Share
from tmgg.experiment_utils.run_folder.task import DEFAULT_TARGET, module_of

SHARE = Share(cpus=(), threads=2, gpus={})


@pytest.mark.parametrize(
    "name",
    ["PATH", "SLURM_JOB_ID", "SLURM_JOB_NODELIST", "SLURMD_NODENAME", "TMGG_JOB_ID", "TMPDIR"],
)
def test_what_describes_the_job_is_shared(name: str) -> None:
    assert is_shared_with_runs(name)


@pytest.mark.parametrize(
    "name",
    [
        "SLURM_PROCID", "SLURM_NTASKS", "SLURM_NNODES", "SLURM_STEP_NUM_TASKS", "SLURM_LOCALID",
        "SLURM_CPUS_PER_TASK", "TMGG_RAY_ADDRESS", "RAY_ADDRESS", "RAY_AUTH_TOKEN_PATH",
    ],
)  # fmt: skip
def test_what_describes_the_driver_as_a_task_or_leads_to_ray_is_not(name: str) -> None:
    assert not is_shared_with_runs(name)


def test_values_are_the_nodes_own_and_rays_additions_are_left_out() -> None:
    own = {"SLURMD_NODENAME": "node2", "RAY_JOB_ID": "01", "OMP_NUM_THREADS": "8"}
    found = render_environment(own, ["SLURMD_NODENAME", "PATH"], SHARE)
    assert found["SLURMD_NODENAME"] == "node2"
    assert "RAY_JOB_ID" not in found
    assert found["OMP_NUM_THREADS"] == "2"


def test_a_number_of_threads_that_somebody_asked_for_is_kept() -> None:
    found = render_environment({"OMP_NUM_THREADS": "8"}, ["OMP_NUM_THREADS"], SHARE)
    assert found["OMP_NUM_THREADS"] == "8"


def test_the_modules_that_runs_begin_with_are_imported_once(tmp_path: Path) -> None:
    tasks = tmp_path / "tasks.jsonl"
    lines = [
        {"target": "lab:run", "config": {}},
        {"target": "lab:other", "config": {"experiment": {"_target_": "my.lab:run"}}},
        {"target": "tmgg.hydra_plugins.hydra_job:run", "config": {"experiment": None}},
        {"target": "lab:run", "config": {"experiment": {"_target_": "no callable"}}},
    ]
    tasks.write_text("".join(json.dumps(line) + "\n" for line in lines))
    assert preloads(tasks) == [
        "lab", "my.lab", "tmgg.hydra_plugins.hydra_job", module_of(DEFAULT_TARGET),
    ]  # fmt: skip
