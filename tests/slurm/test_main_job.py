"""The main job on a real cluster, as an ordinary user: Python's side of it."""

import re
from pathlib import Path

import pytest

from slurm_cluster.processes import wait_until
from tests.slurm.login import Login

PAGE = Path(__file__).parents[2] / "docs" / "slurm.md"
EXPERIMENTS = """
import math, os, time

def train(config):
    import ray
    from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy as On
    @ray.remote(num_cpus=1)
    def where():
        return os.uname().nodename
    alive = [node["NodeID"] for node in ray.nodes() if node["Alive"]]
    tasks = [where.options(scheduling_strategy=On(node, soft=False)).remote() for node in alive]
    return {"val_loss": 0.123, "nodes_alive": len(alive), "nodes_used": len(set(ray.get(tasks))),
            "not_a_number": math.nan, "infinite": math.inf, "learning_rate": config.learning_rate}

def plain(config):
    time.sleep(config.get("duration_s", 0))
    return {"val_loss": config.x ** 2}

def broken(config):
    raise ValueError("the loss is purple")
"""
SMALL = "cpus_per_task=1, mem_per_cpu='500MB', time_limit='00:10:00'"
PLAIN = f"nodes=1, gpus_per_task=0, exclusive=False, ray_bootstrap='none', {SMALL}"
PRELUDE = """
import dataclasses, json
from tmgg.experiment_utils.cloud import SlurmRunner, SlurmConfig
def show(result):
    print(json.dumps(dataclasses.asdict(result)))
"""


@pytest.mark.smoke
@pytest.mark.parametrize("nodes", [pytest.param(1, marks=[pytest.mark.long]), 3])
def test_an_experiment_gets_a_ray_cluster_of_as_many_nodes_as_asked(
    alice: Login, nodes: int
) -> None:
    alice.write("lab.py", EXPERIMENTS)
    result = alice.python(
        f"""{PRELUDE}
runner = SlurmRunner(slurm_config=SlurmConfig(nodes={nodes}, gpus_per_task=1, {SMALL}))
config = {{"experiment": {{"_target_": "lab:train"}}, "learning_rate": 0.1}}
show(runner.run_experiment(config))
""",
        timeout_s=240,
    )
    assert result["status"] == "completed", result["error_message"]
    assert len(result["nodes"]) == nodes
    assert result["nodes"] == [f"node{k}" for k in range(1, nodes + 1)]
    metrics = result["metrics"]
    assert metrics["val_loss"] == 0.123
    assert metrics["nodes_alive"] == nodes
    assert metrics["nodes_used"] == nodes
    assert metrics["learning_rate"] == 0.1
    assert metrics["not_a_number"] != metrics["not_a_number"]
    assert metrics["infinite"] == float("inf")


def test_a_raising_experiment_is_failed_with_the_last_lines_of_its_traceback(alice: Login) -> None:
    alice.write("lab.py", EXPERIMENTS)
    result = alice.python(f"""{PRELUDE}
runner = SlurmRunner(slurm_config=SlurmConfig({PLAIN}))
show(runner.run_experiment({{"experiment": {{"_target_": "lab:broken"}}}}))
""")
    assert result["status"] == "failed"
    assert result["failure"]["kind"] == "user_error"
    assert "ValueError: the loss is purple" in result["error_message"]
    assert 'raise ValueError("the loss is purple")' in result["error_message"]
    assert "HINT:" in result["error_message"]


def test_a_ray_that_cannot_start_is_reported_as_that_though_ray_exits_with_0(alice: Login) -> None:
    """symmetric-run ends with exit code 0 when `ray start` fails; here its port is taken."""
    alice.write("lab.py", EXPERIMENTS)
    taken = (
        'python -c \'import socket, subprocess, sys; s = socket.create_server(("", 6399)); '
        's.set_inheritable(True); subprocess.Popen(["sleep", "600"], close_fds=False)\''
    )
    result = alice.python(
        f"""{PRELUDE}
runner = SlurmRunner(slurm_config=SlurmConfig(
    nodes=1, gpus_per_task=0, ray_port=6399, setup_commands=[{taken!r}], {SMALL}))
show(runner.run_experiment({{"experiment": {{"_target_": "lab:train"}}, "learning_rate": 1}}))
""",
        timeout_s=240,
    )
    assert result["status"] == "failed"
    assert result["failure"]["kind"] == "ray_start", result
    assert "ray" in result["failure"]["hint"].lower()


def test_spawning_returns_at_once_and_status_and_result_come_from_any_process(alice: Login) -> None:
    alice.write("lab.py", EXPERIMENTS)
    runner = f"runner = SlurmRunner(slurm_config=SlurmConfig({PLAIN}))"
    run_id, job_id, status = alice.python(f"""{PRELUDE}
{runner}
config = {{"experiment": {{"_target_": "lab:plain"}}, "x": 3, "duration_s": 1}}
spawned = runner.spawn_experiment(config, timeout_seconds=14400)
print(json.dumps([spawned.run_id, spawned.job_id, runner.get_status(spawned.run_id)]))
""")
    assert job_id.isdigit()
    assert status in ("pending", "running")
    result = alice.python(f"""{PRELUDE}
{runner}
result = runner.get_result({run_id!r})
assert runner.get_status({run_id!r}) == "completed"
show(result)
""")
    assert result["metrics"] == {"val_loss": 9}
    assert result["job_id"] == job_id


def test_a_sweep_is_one_sbatch_per_config_with_results_in_order(alice: Login) -> None:
    alice.write("lab.py", EXPERIMENTS)
    results = alice.python(f"""{PRELUDE}
runner = SlurmRunner(slurm_config=SlurmConfig({PLAIN}))
def config(x):
    return {{"experiment": {{"_target_": "lab:plain" if x != 2 else "lab:broken"}}, "x": x}}
configs = [config(1), config(2), config(3)]
results = runner.run_sweep(configs, parallelism=len(configs))
print(json.dumps([[r.status, r.metrics, r.job_id] for r in results] + [runner.client.calls]))
""")
    *runs, calls = results
    assert [run[0] for run in runs] == ["completed", "failed", "completed"]
    assert runs[0][1] == {"val_loss": 1}
    assert runs[2][1] == {"val_loss": 9}
    assert len({run[2] for run in runs}) == 3
    assert calls["sbatch"] == 3


def test_the_monitoring_commands_show_what_the_docs_say(alice: Login) -> None:
    alice.write("lab.py", EXPERIMENTS)
    run_id, job_id = alice.python(f"""{PRELUDE}
import time
runner = SlurmRunner(slurm_config=SlurmConfig({PLAIN}))
config = {{"experiment": {{"_target_": "lab:plain"}}, "x": 3, "duration_s": 600}}
spawned = runner.spawn_experiment(config)
deadline = time.monotonic() + 90
while runner.get_status(spawned.run_id) != "running":
    assert time.monotonic() < deadline
    time.sleep(0.2)
print(json.dumps([spawned.run_id, spawned.job_id]))
""")
    mark = f"tmgg: submission 1, restart 0, job {job_id} on node1\n"
    log = alice.host_folder / "slurm_outputs" / f"{run_id}.out"
    wait_until(
        lambda: log.exists() and log.read_text() == mark, timeout_s=60, what="the job's mark"
    )
    # A job that is cancelled before the accounts heard of its start is put down without name and
    # user ("allocation"), and `sacct -u` leaves it out.
    wait_until(
        lambda: "tmgg-exp" in alice.run("sacct", "-X", "-n", "-j", job_id, "-o", "jobname").stdout,
        timeout_s=60,
        what="the accounts to have the start",
    )
    block = PAGE.read_text().partition("## Watching\n\n```bash\n")[2].partition("```")[0]
    lines = [line.partition("  #")[0].rstrip() for line in block.splitlines()]
    commands = iter(line.replace("<job_id>", job_id).replace("<run_id>", run_id) for line in lines)

    def next_shown(beginning: str) -> str:
        command = next(commands)
        assert command.startswith(beginning)
        if beginning == "tail -f":
            # It goes on for ever.
            command = f"timeout 3 {command} || [ $? = 124 ]"
        return alice.run("bash", "-c", command).stdout

    assert job_id in next_shown("squeue -u")
    assert "tmgg-exp" in next_shown("squeue -j")
    details = next_shown("scontrol show job")
    assert "JobName=tmgg-experiment" in details
    assert f"StdOut={alice.folder}/slurm_outputs/{run_id}.out" in details
    assert next_shown("tail -f") == mark
    assert next_shown("cat") == mark
    next_shown("scancel")
    result = alice.python(f"""{PRELUDE}
show(SlurmRunner(slurm_config=SlurmConfig({PLAIN})).get_result({run_id!r}))
""")
    assert result["failure"]["kind"] == "cancelled"
    next_shown("scancel -u")
    # The accounts learn a state some time after the job has ended.
    wait_until(
        lambda: "CANCELLED" in alice.run("sacct", "-X", "-n", "-j", job_id, "-o", "state").stdout,
        timeout_s=60,
        what="the accounts to have the end",
    )
    ended = next_shown("sacct -j")
    assert ended.split()[:5] == ["JobID", "JobName", "State", "ExitCode", "Elapsed"]
    assert re.search(rf"^{job_id} +tmgg-expe.* CANCELLED", ended, re.MULTILINE)
    assert next_shown("sacct -j").split()[:3] == ["JobID", "MaxRSS", "MaxVMSize"]
    assert re.search(rf"^{job_id} ", next_shown("sacct -u"), re.MULTILINE)
    assert next(commands, None) is None
