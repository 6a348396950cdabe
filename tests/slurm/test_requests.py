"""Every form in which memory, GPUs and a partition can be asked for, as a real sbatch takes it."""

import json

import pytest

from tests.slurm.login import PYTHON, Login

FORMS = [
    {},
    {"mem_per_cpu": None},
    {"mem_per_node": "1GB"},
    {"mem_per_node": "0"},
    {"mem_per_gpu": "1GB"},
    {"partition": None},
    {"partition": "gpu,batch"},
    {"gpu_request": "node", "gpus_per_task": 2},
    {"gpu_request": "gres", "gpus_per_task": 2},
    {"gpu_request": "gres", "mem_per_gpu": "1GB"},
    {"gpu_request": "node", "mem_per_gpu": "1GB"},
    {"gpu_request": "job", "gpus_per_task": 2, "nodes": 1},
    {"gpu_request": "none"},
    {"gpus_per_task": 0},
    {"requeue": True},
    {"requeue": False},
    {"tasks_per_node": 2, "mem_per_node": "2GB", "gpu_request": "gres"},
    {"tasks_per_node": 2, "gpu_request": "node", "gpu_binding": "task"},
    {"sbatch_options": {"nice": 10, "contiguous": True, "licenses": None}},
]
# With what the controller makes of each, held, so that nothing runs.
PROGRAM = """
import json, subprocess, sys
from pathlib import Path
from tmgg.experiment_utils.cloud import SlurmConfig, SlurmRunner
from tmgg.experiment_utils.cloud.runs import TaskRequest

def outcome(number, form):
    options = dict(nodes=2, cpus_per_task=1, time_limit="1", extra_args=["--hold"])
    runner = SlurmRunner(SlurmConfig(**options | form))
    request = TaskRequest(config={"experiment": {"_target_": "lab:ok"}}, run_id=f"form-{number}")
    script = Path(f"form-{number}.sh")
    script.write_text(runner.render_job_script(request))
    argv = ["sbatch", "--parsable", str(script)]
    done = subprocess.run(argv, capture_output=True, text=True, timeout=60)
    return runner.client.job_details(done.stdout.strip()) if done.returncode == 0 else done.stderr

print(json.dumps([outcome(*each) for each in enumerate(json.loads(sys.argv[1]))]))
"""


def test_a_real_sbatch_takes_every_form_and_asks_for_what_it_says(alice: Login) -> None:
    alice.write("forms.py", PROGRAM)
    said = alice.run(str(PYTHON), "forms.py", json.dumps(FORMS)).stdout
    found = json.loads(said.splitlines()[-1])
    refused = [
        (form, each) for form, each in zip(FORMS, found, strict=True) if not isinstance(each, dict)
    ]
    assert not refused

    def of(**form: object) -> dict[str, str]:
        job = found[FORMS.index(form)]
        assert isinstance(job, dict)
        # gres/gpu:2 from 24.11 on
        return {key: value.replace("gres/gpu", "gres:gpu") for key, value in job.items()}

    assert of(mem_per_node="1GB")["MinMemoryNode"] == "1G"
    assert of(partition=None)["Partition"] == "gpu"  # the cluster's default
    assert of(gpu_request="node", gpus_per_task=2)["TresPerNode"] == "gres:gpu:2"
    assert of(gpu_request="gres", gpus_per_task=2)["TresPerNode"] == "gres:gpu:2"
    assert of(gpu_request="job", gpus_per_task=2, nodes=1)["TresPerJob"] == "gres:gpu:2"
    none = of(gpu_request="none")
    assert "gpu" not in none.get("TresPerNode", "") + none.get("TresPerTask", "")
    assert of(requeue=True)["Requeue"] == "1"
    assert of(requeue=False)["Requeue"] == "0"


@pytest.mark.smoke
def test_what_an_expedited_requeue_is_called_is_slurms_own_word(alice: Login) -> None:
    said = alice.run("sbatch", "--help").stdout
    if "--requeue[=" not in said:
        pytest.skip("--requeue of this Slurm takes no word")
    assert "--requeue[=expedite]" in said
