"""On a node, in each mode, a job sees what the script sees where its user is."""

import json
from typing import Any

import pytest

from tests.process_matrix.lab import OPTIONS, PICKLE_JOB_INFO, files
from tests.slurm.login import PYTHON, Login

# What a small run asks of the cluster.
SMALL = (
    "hydra.launcher.slurm_nodes=1",
    "hydra.launcher.slurm_cpus_per_task=1",
    "hydra.launcher.slurm_gpus_per_task=0",
    "hydra.launcher.slurm_mem_per_cpu=700MB",
    "hydra.launcher.slurm_exclusive=false",
)
# How its runs are handed over, and what starts them.
MODES = {
    "separate": "managed",
    "array": "none",
    "packed": "managed",
}


@pytest.fixture
def home(alice: Login) -> Login:
    for name, text in files().items():
        alice.write(f"code/{name}", text)
    return alice


def test_every_mode_gives_what_the_script_gives_at_home(home: Login) -> None:
    _run(home, "basic")
    at_home = _left(home, "basic", 0)["seen"]

    for mode, bootstrap in MODES.items():
        slurm = (
            f"hydra.launcher.slurm_sweep_mode={mode}",
            f"hydra.launcher.slurm_ray_bootstrap={bootstrap}",
        )
        _run(home, "tmgg_slurm", *SMALL, *slurm, folder=mode)

        left = _left(home, mode, 0)
        assert left["seen"] == at_home, mode
        assert left["argv"] == ["code/script.py", PICKLE_JOB_INFO, "x=3"]
        pickled = home.host_folder / mode / "1" / ".hydra" / "job_return.pickle"
        assert pickled.stat().st_size > 0


def _run(home: Login, launcher: str, *options: str, folder: str = "basic") -> None:
    where = (f"hydra/launcher={launcher}", f"hydra.sweep.dir={folder}")
    arguments = ("-m", *where, *options, "x=3,4", PICKLE_JOB_INFO)
    home.run(str(PYTHON), *OPTIONS, "code/script.py", *arguments, timeout_s=280)


def _left(home: Login, sweep: str, job: int) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(home.read(f"{sweep}/{job}/seen.json"))
    return found
