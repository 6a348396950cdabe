"""The job scripts that are kept whole for review.

After a change that is meant, write them anew and look at the difference:
`python -m tests.experiment_utils.cloud.slurm.request.golden_scripts && git diff tests`.
"""

from pathlib import Path

from tmgg.experiment_utils.cloud.slurm.config import SlurmConfig
from tmgg.experiment_utils.cloud.slurm.request.script import (
    Interpreter,
    render_array_script,
    render_packed_script,
    render_script,
)
from tmgg.experiment_utils.run_folder.paths import BatchPaths, RunPaths, resolve_output_dir

FOLDER = Path(__file__).parent / "goldens"
SPEC_SETUP = ("module load cuda/12.1", "source activate tmgg")
CONFIGS = {
    # What the specification shows under "Generated Script Structure".
    "specification.sh": SlurmConfig(setup_commands=SPEC_SETUP),
    "plain.sh": SlurmConfig(
        partition="batch",
        nodes=1,
        cpus_per_task=2,
        gpus_per_task=0,
        time_limit="30",
        exclusive=False,
        ray_bootstrap="none",
    ),
    "managed.sh": SlurmConfig(
        exclusive=False,
        nodes=3,
        ray_port=6380,
        network_interface="ib0",
        object_store_memory_mb=500,
        node_scratch="/local",
    ),
    "everything.sh": SlurmConfig(
        partition="ml-gpu,gpu",
        nodes=2,
        cpus_per_task=16,
        gpus_per_task=4,
        time_limit="1-04:00:00",
        mem_per_cpu="8GB",
        setup_commands=("source ~/.bashrc && conda activate tmgg", "export A='b c'"),
        account="research",
        qos="normal",
        constraint="a100&nvlink",
        reservation="course",
        nodelist="node[1-3]",
        exclude="node7",
        gpu_type="a100",
        exclusive=False,
        requeue=False,
        dependency="afterok:123",
        mail_user="alice@example.org",
        mail_type="END,FAIL",
        job_name='it\'s "mine" #1',
        extra_args=("--licenses=matlab:2", "--hold"),
        output_dir="my outputs",
        python="/opt/my env/bin/python3",
        ray_bootstrap="symmetric-run",
        ray_port=6380,
        min_worker_port=20_002,
        max_worker_port=29_999,
    ),
}
CONFIGS |= {
    "array.sh": SlurmConfig(nodes=1, ray_bootstrap="none", gpus_per_task=0),
    "array_with_ray.sh": SlurmConfig(exclusive=False, nodes=2),
}
CONFIGS |= {
    "packed.sh": SlurmConfig(exclusive=False, nodes=2, runs_per_node=4, gpus_per_task=2),
}
CONFIGS |= {
    "ranks.sh": SlurmConfig(nodes=2, tasks_per_node=4, network_interface="ib0"),
    "ranks_beside_ray.sh": SlurmConfig(nodes=2, tasks_per_node=4, ray_bootstrap="managed"),
}
PACKED = {"packed.sh"}
ARRAYS = {"array.sh": "0-99%4", "array_with_ray.sh": "0-1"}


def render(name: str) -> str:
    """The script of a golden, as it is rendered today."""
    config = CONFIGS[name]
    base = Path("/home/alice/project")
    output_dir = resolve_output_dir(config.output_dir, base)
    interpreter = Interpreter(folder=Path("/home/alice/venv/bin"))
    batch = BatchPaths(output_dir, "20261123-120000-0a1b2c3d.1")
    if name in PACKED:
        return render_packed_script(config, batch, base=base, interpreter=interpreter)
    if name in ARRAYS:
        return render_array_script(
            config, batch, array=ARRAYS[name], base=base, interpreter=interpreter
        )
    paths = RunPaths(output_dir, "run-1").submission(1)
    return render_script(config, paths, base=base, interpreter=interpreter)


if __name__ == "__main__":
    FOLDER.mkdir(exist_ok=True)
    for golden in CONFIGS:
        (FOLDER / golden).write_text(render(golden))
