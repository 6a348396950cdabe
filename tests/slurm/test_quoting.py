"""What sbatch itself makes of hostile text in a directive."""

import secrets
from pathlib import PurePosixPath

import pytest

from slurm_cluster import Cluster
from slurm_cluster.users import find_user
from tests.slurm.login import Login
from tests.slurm.trial import Trial, config

HOSTILE = [
    "a b", 'a"b', "a'b", "$(touch canary)", "`touch canary`", "a;touch canary", "a#b", "a\\b",
    "ünï", "-x", 'a\\"b', "|x", "'", '"', "\\",
]  # fmt: skip


@pytest.mark.parametrize("folder", ["plain", "my 'q\" %j #1 $(touch canary)"])
def test_sbatch_reads_job_names_and_folders_back_unchanged(alice: Login, folder: str) -> None:
    alice.write("lab.py", "def ok(config):\n    return {'x': 1}\n")
    found = alice.python(f"""
import json, os
from tmgg.experiment_utils.cloud import SlurmRunner, SlurmConfig
def spawn(name):
    runner = SlurmRunner(SlurmConfig(nodes=1, cpus_per_task=1, mem_per_cpu="1GB", time_limit="1",
        exclusive=False, gpus_per_task=0, ray_bootstrap="none", job_name=name,
        output_dir={folder!r}))
    return runner, runner.spawn_experiment({{"experiment": {{"_target_": "lab:ok"}}}})
def found(runner, spawned):
    seen = runner.client.job_details(spawned.job_id)["JobName"]
    result = runner.get_result(spawned)
    return [seen, result.status, os.path.exists(result.output_path)]
spawned = [spawn(name) for name in {HOSTILE!r}]
print(json.dumps([found(*each) for each in spawned]))
""")
    assert found == [[name, "completed", True] for name in HOSTILE]
    assert not (alice.host_folder / "canary").exists()


def test_a_working_directory_with_a_per_cent_sign_and_a_backslash_is_no_hindrance(
    cluster: Cluster,
) -> None:
    name = f"50%j \\n%%x\\{secrets.token_hex(3)}"
    alice = Login(cluster, "alice", PurePosixPath(find_user("alice").home) / name)
    trial = Trial(alice)
    try:
        assert trial.result(trial.spawn("quick"))["status"] == "completed"
        configs = [config("quick", value=number) for number in (1, 2)]
        reply = trial.call("sweep", configs=configs, options={"mode": "array", "parallelism": 2})
        assert reply.error is None, reply.message
        assert [each["status"] for each in reply.answer] == ["completed", "completed"]
        assert {each["job_id"].rpartition("_")[2] for each in reply.answer} == {"0", "1"}
    finally:
        alice.cancel_all()
