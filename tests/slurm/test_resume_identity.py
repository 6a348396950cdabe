"""A resumed sweep and a retried run on a real cluster: whose results, whose code, whose options."""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.slurm.login import PYTHON, Login

PLAIN = (
    "hydra/launcher=tmgg_slurm",
    "hydra.launcher.slurm_nodes=1",
    "hydra.launcher.slurm_cpus_per_task=1",
    "hydra.launcher.slurm_gpus_per_task=0",
    "hydra.launcher.slurm_mem_per_cpu=500MB",
    "hydra.launcher.slurm_exclusive=false",
    "hydra.launcher.slurm_ray_bootstrap=none",
)
TODAY = ("hydra.launcher.slurm_time_limit=00:07:00", "hydra.launcher.slurm_job_name=today")
APP = """
import os
import hydra
from helper import check

@hydra.main(version_base="1.3", config_path=".", config_name="app")
def main(cfg):
    check(cfg.x)
    return {"y": cfg.x * NUMBER}

NUMBER = 10

if __name__ == "__main__":
    main()
"""
CONFIG = """
x: 1
paths:
  output_dir: ${hydra:runtime.output_dir}
"""
BROKEN = """
import os

def check(x):
    if x == 2:
        raise ValueError("not mended yet")
    if x == 3 and os.environ["SLURM_JOB_NAME"] != "other":
        raise MemoryError("too little of something")
"""


@pytest.fixture
def project(alice: Login) -> Login:
    """Two scripts that differ in a number, and a module with a fault."""
    alice.write("app.yaml", CONFIG)
    alice.write("a.py", APP)
    alice.write("b.py", APP.replace("NUMBER = 10", "NUMBER = 1000"))
    alice.write("helper.py", BROKEN)
    return alice


def launch(project: Login, script: str, *arguments: str, mode: str = "separate") -> str:
    done = project.run(
        str(PYTHON),
        script,
        "-m",
        *PLAIN,
        f"hydra.launcher.slurm_sweep_mode={mode}",
        *arguments,
        check=False,
        timeout_s=240,
    )
    return str(done.stdout + done.stderr)


def values(printed: str) -> list[float]:
    lines = [line for line in printed.splitlines() if " completed " in line]
    rows = [line.split() for line in lines if line.lstrip()[:1].isdigit()]
    return [float(row[4]) for row in rows]


def test_whose_results_whose_code_and_whose_options(project: Login) -> None:
    first = launch(project, "a.py", "x=1,2,3", mode="array")
    assert values(first) == [10]

    resume = "hydra.launcher.resume=true"
    other = launch(project, "b.py", "x=1", resume)
    assert "resume: 0 of 1 recognised; 1 to run" in other
    assert values(other) == [1000]

    project.write("helper.py", BROKEN.replace("x == 2", "x == -2"))
    again = launch(project, "a.py", "x=1,2,3", resume, *TODAY, mode="array")
    assert "resume: 3 of 3 recognised (2 failed); 2 to run" in again
    assert "1 was made by an earlier version of helper.py" in again
    assert values(again) == [10, 20]
    (run_id,) = {path.parent.name for path in project.host_folder.glob("slurm_outputs/*-1/2")}
    shown = show(project, run_id)
    changes = {each["what"]: each["after"] for each in shown["submissions"][1]["changes"]}
    assert changes["slurm_time_limit"] == "00:07:00"
    assert changes["slurm_job_name"] == "today"
    assert changes["code"].startswith("a.py ")
    assert shown["settings"]["time_limit"] == "00:07:00"
    written = launch_scripts(project)
    assert sum("--time=00:07:00" in text for text in written) == 1

    third = f"{run_id.rpartition('-')[0]}-2"
    jobs = (str(PYTHON), "-m", "tmgg.cli.jobs")
    refused = project.run(*jobs, "retry", third, "--set", "slurm_nodes=0", check=False)
    assert (refused.returncode, "slurm_nodes=0" in refused.stderr) == (2, True)
    retried = project.run(
        *jobs, "retry", third, "--set", "slurm_job_name=other", "--wait", timeout_s=120
    )
    assert "completed" in retried.stdout + retried.stderr
    (last,) = show(project, third)["submissions"][2:]
    assert last["changes"] == [{"what": "slurm_job_name", "before": "today", "after": "other"}]


def show(project: Login, run_id: str) -> dict[str, Any]:
    done = project.run(str(PYTHON), "-m", "tmgg.cli.jobs", "show", run_id, "--json")
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def launch_scripts(project: Login) -> list[str]:
    paths = [*project.host_folder.glob("slurm_outputs/.batches/*/job.sh")]
    return [Path(path).read_text() for path in paths]
