"""`tmgg-experiment` with a TMGG launcher and without `-m`: one run on the backend."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.hydra import stand_in
from tests.hydra.conftest import Lab
from tmgg.experiment_utils.cloud import LocalConfig, LocalRunner

SPEC_YAML = """\
# exp_configs/hydra/launcher/my_cluster.yaml
# @package hydra.launcher
_target_: tmgg.hydra_plugins.tmgg_launcher.TmggLauncher

use_slurm: true
slurm_partition: ml-gpu
slurm_nodes: 2
slurm_cpus_per_task: 16
slurm_gpus_per_task: 4
slurm_time_limit: "04:00:00"
slurm_mem_per_cpu: "8GB"

slurm_setup_commands:
  - "module load cuda/12.1"
  - "module load anaconda3"
  - "source activate tmgg"
"""


def test_the_run_goes_to_the_backend_and_its_metrics_come_back(lab: Lab) -> None:
    ended = lab.run("hydra/launcher=tmgg_slurm", "x=3", "model=large")

    assert ended.code == 0, ended.err
    assert "score" in ended.out
    assert " 30" in ended.out
    (request,) = lab.slurm.requests
    assert request.config["x"] == 3
    assert "hydra" not in request.config


def test_the_table_says_where_everything_was_written(lab: Lab) -> None:
    ended = lab.run("hydra/launcher=tmgg_slurm")

    (model,) = lab.find("slurm_outputs/*/output/model.txt")
    (log,) = lab.find("slurm_outputs/*.out")
    assert f"output: {model.parent}" in ended.out
    assert f"log: {log}" in ended.out


def test_hydra_itself_writes_nothing_on_this_side(lab: Lab) -> None:
    lab.run("hydra/launcher=tmgg_slurm")

    assert not lab.find("outputs*")


def test_the_task_is_plain_json_and_no_pickle(lab: Lab) -> None:
    lab.run("hydra/launcher=tmgg_slurm")

    (task,) = lab.find("slurm_outputs/*/task.json")
    assert json.loads(task.read_text())["target"] == "tiny_experiment:run"
    assert not lab.find("slurm_outputs/*/payload.pkl")


def test_waiting_shows_how_the_run_gets_on_line_by_line_without_a_terminal(lab: Lab) -> None:
    ended = lab.run("hydra/launcher=tmgg_slurm")

    (run_id,) = [str(request.run_id) for request in lab.slurm.requests]
    told = [line for line in ended.err.splitlines() if run_id in line]
    assert told[0].startswith(f"run {run_id} submitted as local job")
    assert f"run {run_id}: running" in ended.err
    assert told[-1].startswith(f"run {run_id}: completed")


@pytest.mark.parametrize(
    "chosen",
    [
        "override",
        "other_target",
        "default_of_the_config",
        "own_yaml",
        "own_partial_yaml_on_defaults",
    ],
)
def test_the_launcher_is_obeyed_however_it_was_chosen(lab: Lab, chosen: str) -> None:
    arguments: list[str] = []
    if chosen == "override":
        arguments = ["hydra/launcher=tmgg_slurm"]
    if chosen == "other_target":
        target = "hydra_plugins.tmgg_launcher.TmggLauncher"
        arguments = ["hydra/launcher=tmgg_slurm", f"hydra.launcher._target_={target}"]
    if chosen == "default_of_the_config":
        tiny = lab.folder / "conf" / "tiny.yaml"
        tiny.write_text(
            tiny.read_text().replace(
                "- _self_", "- _self_\n  - override hydra/launcher: tmgg_slurm"
            )
        )
    if chosen == "own_yaml":
        lab.write("conf/hydra/launcher/my_cluster.yaml", SPEC_YAML)
        arguments = ["hydra/launcher=my_cluster"]
    if chosen == "own_partial_yaml_on_defaults":
        text = "defaults: [tmgg_slurm, _self_]\nslurm_nodes: 2\n"
        lab.write("conf/hydra/launcher/mine.yaml", text)
        arguments = ["hydra/launcher=mine", "hydra.launcher.slurm_account=science"]

    ended = lab.run(*arguments)

    assert ended.code == 0, ended.err
    assert len(lab.slurm.requests) == 1


@pytest.mark.parametrize("mode", [(), ("-m",)])
def test_the_launcher_yaml_of_the_specification_works_unchanged(
    lab: Lab, mode: tuple[str, ...]
) -> None:
    lab.write("conf/hydra/launcher/my_cluster.yaml", SPEC_YAML)

    ended = lab.run(*mode, "hydra/launcher=my_cluster")

    assert ended.code == 0, ended.err
    asked = lab.slurm.slurm_config
    assert (asked.partition, asked.nodes, asked.cpus_per_task) == ("ml-gpu", 2, 16)
    assert (asked.gpus_per_task, asked.time_limit, asked.mem_per_cpu) == (4, "04:00:00", "8GB")
    assert asked.setup_commands == (
        "module load cuda/12.1",
        "module load anaconda3",
        "source activate tmgg",
    )
    (request,) = lab.slurm.requests
    assert request.timeout_seconds == 28800


@pytest.mark.parametrize("mode", [(), ("-m",)])
def test_single_keys_are_overridden_on_the_command_line(lab: Lab, mode: tuple[str, ...]) -> None:
    lab.run(
        *mode,
        "hydra/launcher=tmgg_slurm",
        "hydra.launcher.slurm_partition=batch",
        "hydra.launcher.slurm_nodes=8",
        'hydra.launcher.slurm_time_limit="12:00:00"',
        "hydra.launcher.timeout_seconds=60",
        "hydra.launcher.gpu_type=a100",
    )

    asked = lab.slurm.slurm_config
    assert (asked.partition, asked.nodes, asked.time_limit) == ("batch", 8, "12:00:00")
    assert asked.gpu_type == "a100"
    assert lab.slurm.requests[0].timeout_seconds == 60


@pytest.mark.parametrize("mode", [(), ("-m",)])
@pytest.mark.parametrize(
    ("overrides", "words"),
    [
        (["hydra.launcher.slurm_nods=2"], "Did you mean slurm_nodes"),
        (["+hydra.launcher.slurm_nods=2"], "Did you mean slurm_nodes"),
        (["hydra.launcher.slurm_nodes=0"], "slurm_nodes=0 must be 1 to 65533"),
        (["hydra.launcher.slurm_time_limit=never"], "slurm_time_limit='never'"),
        (["hydra.launcher.slurm_partition='a;b'"], "slurm_partition='a;b'"),
        (["hydra.launcher.slurm_ray_port=80"], "slurm_ray_port=80"),
        (["hydra.launcher.slurm_account=${oc.env:TMGG_NOT_SET}"], "TMGG_NOT_SET"),
        (["hydra.launcher.parallelism=0"], "parallelism=0"),
        (["hydra.launcher.timeout_seconds=soon"], "timeout_seconds='soon'"),
        (["hydra.launcher.detach=maybe"], "detach='maybe'"),
        (["hydra.launcher.use_slurm=false"], "none is true"),
        (["+hydra.launcher.use_local=true"], "use_slurm and use_local are true"),
        (["hydra.launcher.gpu_type=a100", "hydra.launcher.slurm_gpu_type=h100"], "differ"),
        (["name=${oc.env:TMGG_NOT_SET}"], "TMGG_NOT_SET"),
        (["+at=${path_of:x}"], "path_of"),
        (["experiment._target_=not-a-name"], "does not name a callable"),
        (["hydra.launcher.slurm_ray_bootstrap=none"], "leaves all nodes but the first idle"),
        (
            [
                "hydra.launcher.slurm_tasks_per_node=2",
                "experiment._target_=tmgg.experiments.denoising.run",
            ],
            "tasks_per_node=2 with the built-in experiment tmgg.experiments.denoising.run",
        ),
    ],
)
def test_bad_input_is_refused_before_anything_is_submitted_or_written(
    lab: Lab, overrides: list[str], words: str, mode: tuple[str, ...]
) -> None:
    before = lab.files()

    ended = lab.run(*mode, "hydra/launcher=tmgg_slurm", *overrides)

    assert ended.code == 2, ended.err
    assert words in ended.err
    assert "Traceback" not in ended.err
    assert not [request for runner in stand_in.asked for request in runner.requests]
    if not mode:
        assert lab.files() == before
    assert not lab.find("slurm_outputs")


def test_a_launcher_that_hydra_does_not_know_is_no_reason_to_run_here(lab: Lab) -> None:
    ended = lab.run("hydra/launcher=tmgg_slurm", "hydra.launcher._target_=hydra_plugins.no.Such")

    assert ended.code == 2
    assert "hydra_plugins.no.Such" in ended.err
    assert not lab.find("outputs*")


def test_hydra_settings_that_only_act_in_hydras_jobs_are_refused(lab: Lab) -> None:
    for override in ("+hydra.job.env_set.NAME=value", "hydra.job.chdir=true"):
        ended = lab.run("hydra/launcher=tmgg_slurm", override)

        assert ended.code == 2
        assert "Add -m" in ended.err


def test_a_failed_run_is_reported_with_reason_traceback_and_advice(lab: Lab) -> None:
    ended = lab.run("hydra/launcher=tmgg_slurm", "x=raise")

    assert ended.code == 1
    assert "failed (user_error)" in ended.err
    assert 'raise ValueError("the loss is purple")' in ended.err
    assert "HINT: " in ended.err
    (log,) = lab.find("slurm_outputs/*.err")
    assert f"errors: {log}" in ended.err


def test_a_run_that_the_backend_refuses_is_an_error_with_its_words(
    lab: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stand_in.StandIn, "refuse", "tiny")

    ended = lab.run("hydra/launcher=tmgg_slurm")

    assert ended.code == 2
    assert "error: Invalid partition specified: gpu. Existing: batch, debug" in ended.err


def test_detach_returns_after_submission_with_the_run_id(lab: Lab) -> None:
    ended = lab.run(
        "hydra/launcher=tmgg_slurm", "hydra.launcher.detach=true", f"+wait_for={lab.folder}/go"
    )

    assert ended.code == 0
    run_id = str(lab.slurm.requests[0].run_id)
    assert f"tmgg-jobs wait {run_id}" in ended.err
    lab.write("go", "")
    result = LocalRunner(LocalConfig(output_dir="slurm_outputs")).get_result(run_id)
    assert result.metrics == {"score": 2, "x": 2}


def test_ctrl_c_while_waiting_loses_nothing_and_says_how_to_come_back(
    lab: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stand_in.StandIn, "interrupt_at_poll", 2)

    ended = lab.run("hydra/launcher=tmgg_slurm", f"+wait_for={lab.folder}/go")

    assert ended.code == 130
    run_id = str(lab.slurm.requests[0].run_id)
    assert f"tmgg-jobs wait {run_id}" in ended.err
    assert f"tmgg-jobs cancel {run_id}" in ended.err
    lab.write("go", "")
    result = LocalRunner(LocalConfig(output_dir="slurm_outputs")).get_result(run_id)
    assert result.status == "completed"


def test_ctrl_c_cancels_when_told_so(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stand_in.StandIn, "interrupt_at_poll", 2)

    ended = lab.run(
        "hydra/launcher=tmgg_slurm",
        "hydra.launcher.cancel_on_interrupt=true",
        "+duration_s=60",
    )

    assert ended.code == 130
    run_id = str(lab.slurm.requests[0].run_id)
    assert f"run {run_id} is being cancelled" in ended.err
    result = LocalRunner(LocalConfig(output_dir="slurm_outputs")).get_result(run_id)
    assert result.failure is not None
    assert result.failure.kind == "cancelled"


def test_a_real_interrupt_leaves_the_run_alone(lab: Lab) -> None:
    """The signal goes to the whole process group, as the terminal's Ctrl-C does."""
    argv = [sys.executable, "-m", "tmgg.cli.experiment", "-cd", "conf", "-cn", "tiny"]
    process = subprocess.Popen(
        [*argv, "hydra/launcher=tmgg_local", f"+wait_for={lab.folder}/go"],
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    assert process.stderr is not None
    line = process.stderr.readline()
    assert "submitted" in line
    process.stderr.readline()
    os.killpg(process.pid, signal.SIGINT)
    _out, err = process.communicate(timeout=150)

    assert process.returncode == 130
    run_id = line.split()[1]
    assert f"tmgg-jobs wait {run_id}" in err
    lab.write("go", "")
    assert LocalRunner().get_result(run_id).status == "completed"


def test_the_run_id_of_the_config_is_used(lab: Lab) -> None:
    lab.run("hydra/launcher=tmgg_slurm", "+run_id=mine")

    assert Path("slurm_outputs/mine/run.json").exists()
    assert lab.run("hydra/launcher=tmgg_slurm", "+run_id=mine").code == 2


def test_the_app_inside_a_job_runs_the_experiment_whatever_the_launcher(lab: Lab) -> None:
    """A launcher set as default of the config must not submit again from within the job."""
    ended = lab.run("-m", "hydra/launcher=tmgg_slurm", "hydra.sweep.dir=sweep")

    assert ended.code == 0, ended.err
    assert len(stand_in.asked) == 1
    assert lab.find("sweep/0/model.txt")
