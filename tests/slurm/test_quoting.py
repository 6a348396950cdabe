"""What sbatch itself makes of hostile text in a directive."""

import pytest

from tests.slurm.login import Login

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
