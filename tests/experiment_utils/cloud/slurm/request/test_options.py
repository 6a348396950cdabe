"""Every field of SlurmConfig does something: ignoring one fails a test here.

A field that is in none of the tables fails the completeness test, so a new option needs a line.
"""

import dataclasses
from pathlib import Path
from typing import Any

import pytest

from tests.fakes.clock import FakeClock
from tests.fakes.slurm.fake import FakeSlurm
from tmgg.errors import SubmissionError
from tmgg.experiment_utils.cloud.runs_on_record import waiting
from tmgg.experiment_utils.cloud.slurm.config import SlurmConfig
from tmgg.experiment_utils.cloud.slurm.request.script import Interpreter, render_script
from tmgg.experiment_utils.cloud.slurm.runner import SlurmRunner
from tmgg.experiment_utils.run_folder.paths import RunPaths, resolve_output_dir

BASE = Path("/home/alice")
CONFIG = {"experiment": {"_target_": "lab:run"}}

# Option to a value other than the default, and lines of the script that only come with it.
IN_SCRIPT: dict[str, tuple[Any, list[str]]] = {
    "partition": ("batch", ["#SBATCH --partition=batch"]),
    "nodes": (7, ["#SBATCH --nodes=7"]),
    "cpus_per_task": (3, ["#SBATCH --cpus-per-task=3"]),
    "gpus_per_task": (2, ["#SBATCH --gpus-per-task=2"]),
    "tasks_per_node": (3, ["#SBATCH --tasks-per-node=3"]),
    "time_limit": ("1-02:03:04", ["#SBATCH --time=1-02:03:04"]),
    "mem_per_cpu": ("8GB", ["#SBATCH --mem-per-cpu=8GB"]),
    "mem_per_node": ("64GB", ["#SBATCH --mem=64GB"]),
    "mem_per_gpu": ("32GB", ["#SBATCH --mem-per-gpu=32GB"]),
    "gpu_request": ("node", ["#SBATCH --gpus-per-node=1"]),
    "sbatch_options": (
        {"licenses": "matlab", "hold": True},
        ["#SBATCH --licenses=matlab", "#SBATCH --hold"],
    ),
    "setup_commands": (["module load x", "echo 'a b'"], ["module load x", "echo 'a b'"]),
    "account": ("research", ["#SBATCH --account=research"]),
    "qos": ("long", ["#SBATCH --qos=long"]),
    "constraint": ("a100&nvlink", ["#SBATCH --constraint=a100&nvlink"]),
    "reservation": ("course", ["#SBATCH --reservation=course"]),
    "nodelist": ("node[1-3]", ["#SBATCH --nodelist=node[1-3]"]),
    "exclude": ("node7", ["#SBATCH --exclude=node7"]),
    "gpu_type": ("a100", ["#SBATCH --gpus-per-task=a100:1"]),
    "requeue": (True, ["#SBATCH --requeue"]),
    "max_restarts": (7, ['if [ "$TMGG_RESTART" -ge 7 ]; then']),
    "signal_lead_s": (300, ["#SBATCH --signal=B:USR2@300"]),
    "dependency": ("afterok:12", ["#SBATCH --dependency=afterok:12"]),
    "mail_user": ("a@b.org", ["#SBATCH --mail-user=a@b.org"]),
    "mail_type": ("END,FAIL", ["#SBATCH --mail-type=END,FAIL"]),
    "job_name": ("mine", ["#SBATCH --job-name=mine"]),
    "extra_args": (
        ["--licenses=matlab", "--hold"],
        ["#SBATCH --licenses=matlab", "#SBATCH --hold"],
    ),
    "output_dir": (
        "elsewhere",
        [
            "#SBATCH --output=elsewhere/run.out",
            "#SBATCH --error=elsewhere/run.err",
            "tmgg_dir=/home/alice/elsewhere/run/1",
            "tmgg_ended=/home/alice/elsewhere/.ended/run.1.json",
        ],
    ),
    "python": (
        "/opt/bin/python3",
        [
            'export PATH=/opt/bin:"$PATH"',
            "/opt/bin/python3 -m tmgg.experiment_utils.ray_cluster.preflight --ray || exit",
        ],
    ),
    "ray_bootstrap": ("none", ["# No Ray: the experiment runs on the first node"]),
    "ray_port": (6380, ["ip_head=$head_ip:6380"]),
    "min_worker_port": (12_345, [r"--min-worker-port=12345 --max-worker-port=19999 \ "[:-1]]),
    "max_worker_port": (23_456, [r"--min-worker-port=10002 --max-worker-port=23456 \ "[:-1]]),
}
# The same for options of the managed bootstrap: the words on its supervisor's command line.
MANAGED = {
    "min_job_port": (20_500, "--ports=20500-31999"),
    "max_job_port": (30_500, "--ports=20000-30500"),
    "network_interface": ("ib0", "--interface=ib0"),
    "object_store_memory_mb": (500, "--object-store-mb=500"),
    "node_scratch": ("/local", "--scratch=/local"),
    "ray_start_timeout_s": (77.0, "--start-timeout=77"),
}
# Options whose effect is that a line is not there, or that is seen elsewhere (tests below).
ELSEWHERE = {
    "clusters",  # tests/jobs/test_clusters.py
    "exclusive", "no_kill", "script_template", "poll_interval_s", "submit_timeout_s",
    "lost_grace_s", "sweep_mode", "runs_per_node", "gpu_binding",
    "stop_signal", "idle_gpu_minutes",
}  # fmt: skip


def script(**options: Any) -> str:
    config = SlurmConfig(**options)
    paths = RunPaths(resolve_output_dir(config.output_dir, BASE), "run").submission(1)
    return render_script(config, paths, base=BASE, interpreter=Interpreter())


def lines(**options: Any) -> set[str]:
    return {line.strip() for line in script(**options).splitlines()}


def test_every_option_has_a_test_here() -> None:
    assert {item.name for item in dataclasses.fields(SlurmConfig)} == (
        set(IN_SCRIPT) | set(MANAGED) | ELSEWHERE
    )


@pytest.mark.parametrize("name", sorted(IN_SCRIPT))
def test_the_option_is_in_the_script_and_only_when_asked_for(name: str) -> None:
    value, expected = IN_SCRIPT[name]
    assert set(expected) <= lines(**{name: value})
    assert not set(expected) & lines()


@pytest.mark.parametrize("name", sorted(MANAGED))
def test_an_option_of_the_managed_bootstrap_reaches_its_supervisor(name: str) -> None:
    value, expected = MANAGED[name]
    assert expected in script(ray_bootstrap="managed", **{name: value}).split()
    assert expected not in script(ray_bootstrap="managed").split()


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"ray_port": 6380}, "--ray-port=6380"),
        ({"min_worker_port": 12_345}, "--worker-ports=12345-19999"),
        ({"max_worker_port": 23_456}, "--worker-ports=10002-23456"),
    ],
)
def test_the_managed_bootstrap_honours_rays_ports_too(options: dict[str, int], words: str) -> None:
    assert words in script(ray_bootstrap="managed", **options).split()


def test_auto_takes_the_managed_bootstrap_where_nodes_are_shared() -> None:
    assert "ray symmetric-run" in script()
    assert "ray symmetric-run" not in script(exclusive=False)
    assert "experiment_utils.ray_cluster" in script(exclusive=False)


def test_jobs_share_nodes_only_when_asked_to() -> None:
    assert "#SBATCH --exclusive" in lines()
    assert "#SBATCH --exclusive" not in lines(exclusive=False)


def test_a_requeue_can_be_forbidden() -> None:
    assert "#SBATCH --no-requeue" in lines(requeue=False)
    assert 'if [ "$TMGG_RESTART" -ge 0 ]; then' in lines(requeue=False)


@pytest.mark.parametrize(
    ("options", "lead"),
    [({}, "120"), ({"time_limit": "UNLIMITED"}, "120"), ({"time_limit": "10"}, "120")],
)
def test_a_job_is_told_ahead_of_its_time_limit(options: dict[str, Any], lead: str) -> None:
    assert f"#SBATCH --signal=B:USR2@{lead}" in lines(**options)


@pytest.mark.parametrize("options", [{"signal_lead_s": 0}, {"time_limit": "9"}])
def test_a_short_job_or_one_that_wants_none_gets_no_signal(options: dict[str, Any]) -> None:
    assert "--signal" not in script(**options)


def test_a_job_goes_on_without_a_node_only_when_asked_to() -> None:
    assert "#SBATCH --no-kill" in lines(ray_bootstrap="managed", no_kill=True)
    assert "#SBATCH --no-kill" not in lines(ray_bootstrap="managed")


def test_no_gpus_means_no_gpu_directive_and_none_for_ray() -> None:
    found = lines(gpus_per_task=0)
    assert not [line for line in found if "gpus-per-task" in line]
    assert r'--num-gpus="0" \ '[:-1] in found


def test_without_ray_nothing_of_it_is_started() -> None:
    text = script(ray_bootstrap="none")
    assert "ray symmetric-run" not in text
    assert "preflight --no-ray" in text


def test_a_sites_own_template_replaces_the_built_in_one(tmp_path: Path) -> None:
    template = tmp_path / "job.sh"
    template.write_text("#!/bin/bash\n@{directives}\n# of our site, @@{x} and ${y}\n")
    assert script(script_template=str(template)).endswith("\n# of our site, @{x} and ${y}\n")


def test_time_limit_is_the_python_side_limit_of_runs_that_state_none(
    slurm: FakeSlurm, folder: Path
) -> None:
    runner = SlurmRunner(SlurmConfig(time_limit="01:30:00"))
    runner.spawn_experiment(CONFIG, run_id="a")
    runner.spawn_experiment(CONFIG, run_id="b", timeout_seconds=60)
    tasks = [(folder / f"slurm_outputs/{run_id}/task.json").read_text() for run_id in "ab"]
    assert '"timeout_seconds": 5400' in tasks[0]
    assert '"timeout_seconds": 60' in tasks[1]


def test_poll_interval_is_the_longest_time_between_two_questions(
    slurm: FakeSlurm, folder: Path, clock: FakeClock
) -> None:
    runner = SlurmRunner(SlurmConfig(poll_interval_s=4), clock=clock)
    run_id = runner.spawn_experiment(CONFIG).run_id
    job_id = slurm.only_job["id"]
    clock.after(100, lambda: slurm.change_job(job_id, state="CANCELLED"))
    (state,) = waiting.wait(runner.runs, [run_id], clock=clock)
    assert state.status == "failed"
    # 2 questions in the first 2 seconds, then one every 4 seconds.
    assert 26 <= len(slurm.calls("squeue")) <= 34


def test_submit_timeout_bounds_how_long_a_dead_controller_is_asked(
    slurm: FakeSlurm, folder: Path, clock: FakeClock
) -> None:
    slurm.break_command("sbatch", times=None, exit_code=1, stderr="Socket timed out")
    began_s = clock.now_s
    runner = SlurmRunner(SlurmConfig(submit_timeout_s=50), clock=clock)
    with pytest.raises(SubmissionError, match="no job of this run"):
        runner.spawn_experiment(CONFIG)
    assert clock.now_s - began_s == 50


def test_lost_grace_bounds_how_long_a_job_that_nobody_knows_is_waited_for(
    slurm: FakeSlurm, folder: Path
) -> None:
    for grace_s, final in ((1e-6, True), (1_000.0, False)):
        runner = SlurmRunner(SlurmConfig(lost_grace_s=grace_s))
        spawned = runner.spawn_experiment(CONFIG)
        assert spawned.job_id is not None
        slurm.change_job(spawned.job_id, in_queue=False, in_accounts=False)
        first, second = (runner.poll([spawned.run_id])[0] for _ in range(2))
        assert not first.final
        assert second.final is final
