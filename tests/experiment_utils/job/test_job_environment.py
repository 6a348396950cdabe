"""A run that is submitted from inside a job has nothing of that job in its environment."""

import json
import os
import subprocess
import sys
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from tmgg.experiment_utils.cloud.slurm.command_lines import scrubbed_environment
from tmgg.experiment_utils.job.job_environment import for_new_job, for_new_run, with_own
from tmgg.experiment_utils.ray_cluster import ray_command

OF_JOB = {
    "TMGG_JOB_ID": "7", "TMGG_RESTART": "1", "TMGG_SUBMISSION": "ab", "TMGG_JOB_COMMAND": "{}",
    "TMGG_RAY_ADDRESS": "10.0.0.1:6379", "TORCHELASTIC_RUN_ID": "x", "RANK": "1",
}  # fmt: skip
_TEXT = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=5)
_NAMES = st.sampled_from(["A", "B", "TMPDIR", "OMP_NUM_THREADS"])
_VARIABLES = st.dictionaries(_NAMES, _TEXT)


@given(_VARIABLES, st.lists(_VARIABLES, max_size=3))
def test_a_job_gets_what_was_there_before_the_enclosing_jobs(
    home: dict[str, str], layers: list[dict[str, str]]
) -> None:
    inside = dict(home)
    for own in layers:
        inside = with_own(inside, own)

    assert {name: inside.get(name) for own in layers[-1:] for name in own} == (layers or [{}])[-1]
    assert for_new_job(inside | OF_JOB) == home


def test_a_run_on_this_machine_stays_within_what_its_job_has() -> None:
    shares = {"OMP_NUM_THREADS": "2", "CUDA_VISIBLE_DEVICES": "1"}

    found = for_new_run(with_own({"HOME": "/h"}, shares) | OF_JOB)

    assert shares.items() <= found.items()
    assert not OF_JOB.keys() & found.keys()


def test_a_slurm_job_does_not_get_the_devices_of_the_job_that_submits_it() -> None:
    devices = {"CUDA_VISIBLE_DEVICES": "1", "ROCR_VISIBLE_DEVICES": "1"}

    assert not devices.keys() & scrubbed_environment({**devices, "SLURM_JOB_ID": "7"}).keys()
    assert devices.items() <= scrubbed_environment(devices).items()


def test_a_job_submitted_beside_the_jobs_own_ray_is_not_one_of_its_processes() -> None:
    home = {"TMPDIR": "/scratch/me", "PATH": "/bin"}
    inside = ray_command.render_environment(
        home, scratch=Path("/tmp/tmgg-7"), token=Path("/runs/r/1/ray_token"), interface="ib0"
    )

    found = for_new_job(inside)

    assert {name: found.get(name) for name in home} == home
    # Who has this variable is killed when the Ray of that folder ends.
    assert not found.keys() & {"RAY_TMPDIR", "RAY_AUTH_TOKEN_PATH", "GLOO_SOCKET_IFNAME"}


NESTED = """
import json, os
from tmgg import LocalConfig, LocalRunner

NAMES = ("TMGG_RAY_ADDRESS", "TMGG_SUBMISSION", "TMGG_JOB_ID", "SLURM_PROCID", "RANK")

def seen():
    return {name: os.environ.get(name) for name in NAMES}

def outer():
    os.environ.update(TMGG_RAY_ADDRESS="elsewhere:1", SLURM_PROCID="1", RANK="1")
    inner = LocalRunner(LocalConfig(output_dir="inner")).submit(seen)
    return seen(), inner.result(60)

if __name__ == "__main__":
    print(json.dumps(LocalRunner(LocalConfig(output_dir="outer")).submit(outer).result(120)))
"""


def test_a_run_that_is_started_in_a_run_has_nothing_of_it(tmp_path: Path) -> None:
    (tmp_path / "nested.py").write_text(NESTED)
    ended = subprocess.run(
        [sys.executable, "nested.py"], cwd=tmp_path, capture_output=True, text=True, timeout=150,
        env=os.environ | {"TMGG_HOME": str(tmp_path / "home")}, check=True,
    )  # fmt: skip

    outer, inner = json.loads(ended.stdout)
    assert inner["TMGG_SUBMISSION"] not in (None, outer["TMGG_SUBMISSION"])
    assert inner["TMGG_JOB_ID"] not in (None, outer["TMGG_JOB_ID"])
    assert (inner["TMGG_RAY_ADDRESS"], inner["SLURM_PROCID"], inner["RANK"]) == (None, None, None)
