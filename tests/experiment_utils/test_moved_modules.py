"""Job scripts that were in a queue when modules moved still find them."""

import importlib
import subprocess
import sys

import pytest

from tmgg.experiment_utils.moved_modules import NEW_NAMES

# What the job scripts before the move run with `python -m`, and import.
RUN = [
    "tmgg.experiment_utils.cloud.slurm.preflight",
    "tmgg.experiment_utils.cloud.slurm.ray_node",
    "tmgg.experiment_utils.cloud.slurm.ray_node.sweep",
    "tmgg.experiment_utils.cloud.slurm.head_address",
    "tmgg.experiment_utils.packed.main",
    "tmgg.experiment_utils.cloud.local_supervisor",
    "tmgg.experiment_utils.cloud.ray_jobs.entry",
    "tmgg.experiment_utils.cloud.ray_jobs",
]


@pytest.mark.parametrize("name", [name for name in NEW_NAMES if not name.endswith("__main__")])
def test_an_old_name_is_the_module_itself(name: str) -> None:
    assert importlib.import_module(name) is importlib.import_module(NEW_NAMES[name])


@pytest.mark.parametrize("name", RUN)
def test_an_old_name_runs(name: str) -> None:
    code = f"import runpy; print(runpy._get_module_details({name!r})[2].co_filename)"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True
    )
    assert done.stdout.strip().endswith(".py")


def test_the_entrypoint_of_old_job_scripts_is_found() -> None:
    code = "from tmgg.experiment_utils.execute import execute_task; print(execute_task.__module__)"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True
    )
    assert done.stdout.strip() == "tmgg.experiment_utils.job.execute"


def test_what_was_never_a_module_is_not_found() -> None:
    with pytest.raises(ModuleNotFoundError, match="no_such_module"):
        importlib.import_module("tmgg.experiment_utils.cloud.no_such_module")
