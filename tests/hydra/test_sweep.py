"""`tmgg-experiment -m` with a TMGG launcher: one run for each config."""

import json
import logging
from typing import Any

import pytest
from omegaconf import OmegaConf

from tests.hydra import stand_in
from tests.hydra.conftest import EXPERIMENT, Lab
from tmgg.experiment_utils.cloud.sweep.policy import SweepPolicy


def test_each_config_is_a_run_and_a_row_of_the_table(lab: Lab) -> None:
    ended = lab.run("-m", "hydra/launcher=tmgg_slurm", "x=1,2,3", "model=large")

    assert ended.code == 0, ended.err
    rows = [line.split() for line in ended.out.splitlines() if "completed" in line]
    assert [(row[0], row[1], row[4], row[5]) for row in rows] == [
        ("0", "1", "10", "1"),
        ("1", "2", "20", "2"),
        ("2", "3", "30", "3"),
    ]
    assert len(lab.slurm.requests) == 3


def test_outputs_land_where_hydra_says(lab: Lab) -> None:
    lab.run(
        "-m",
        "hydra/launcher=tmgg_slurm",
        "x=1,2",
        "hydra.sweep.dir=sweep",
        "hydra.sweep.subdir=x_${x}",
    )

    assert [path.read_text() for path in lab.find("sweep/x_*/model.txt")] == ["1", "2"]
    overrides = lab.folder / "sweep" / "x_1" / ".hydra" / "overrides.yaml"
    assert OmegaConf.load(overrides) == ["x=1"]
    assert (lab.folder / "sweep" / "multirun.yaml").exists()
    assert lab.find("sweep/x_2/*.log")


def test_groups_additions_and_deletions_are_composed_by_hydra(lab: Lab) -> None:
    ended = lab.run(
        "-m",
        "hydra/launcher=tmgg_slurm",
        "model=small,large",
        "+extra=note",
        "+added.deep=1.5",
        "~name",
        "hydra.sweep.dir=sweep",
    )

    assert ended.code == 0, ended.err
    small, large = (request.config for request in lab.slurm.requests)
    assert (small["model"], large["model"]) == ({"size": 1}, {"size": 10})
    for config in (small, large):
        assert config["extra"] == {"note": "hello"}
        assert config["added"] == {"deep": 1.5}
        assert "name" not in config


def test_what_is_sent_is_what_hydra_would_run_here(lab: Lab) -> None:
    arguments = ["-m", "x=1,2", "model=large", "name='${x}-${model.size}'"]
    lab.run(*arguments, "hydra.sweep.dir=here")
    lab.run(*arguments, "hydra.sweep.dir=there", "hydra/launcher=tmgg_slurm")

    for number in ("0", "1"):
        here, there = (
            (lab.folder / place / number / ".hydra" / "config.yaml").read_text()
            for place in ("here", "there")
        )
        assert here == there


def test_the_best_is_reported_and_a_summary_for_programs_is_left_in_the_sweeps_folder(
    lab: Lab,
) -> None:
    ended = lab.run(
        "-m",
        "hydra/launcher=tmgg_slurm",
        "hydra.launcher.metric=score",
        "hydra.launcher.metric_mode=max",
        "x=2,raise,3",
        "hydra.sweep.dir=sweep",
    )

    table = ended.out[ended.out.index("#  overrides.x") :]
    assert [line.split()[0] for line in table.splitlines()][:5] == ["#", "2", "0", "1", "best"]
    assert "best score: 3 (#2 x=3)" in ended.out
    summary = json.loads((lab.folder / "sweep" / "sweep_summary.json").read_text())
    assert summary["counts"] == {"completed": 2, "failed": 1}
    assert summary["best"] == str(lab.slurm.requests[2].run_id)
    assert [run["title"] for run in summary["runs"]] == ["x=2", "x=raise", "x=3"]
    lines = (lab.folder / "sweep" / "sweep_summary.csv").read_text().splitlines()
    assert "metrics.score" in lines[0]


def test_the_summary_is_about_all_batches_of_a_sweep(lab: Lab) -> None:
    lab.run(
        "-m",
        "hydra/launcher=tmgg_slurm",
        "hydra.sweeper.max_batch_size=2",
        "x=1,2,3",
        "hydra.sweep.dir=sweep",
    )

    summary = json.loads((lab.folder / "sweep" / "sweep_summary.json").read_text())
    assert [(run["number"], run["title"]) for run in summary["runs"]] == [
        (0, "x=1"), (1, "x=2"), (2, "x=3"),
    ]  # fmt: skip


def test_a_ranking_that_cannot_be_is_refused_before_anything_is_submitted(lab: Lab) -> None:
    ended = lab.run("-m", "hydra/launcher=tmgg_slurm", "hydra.launcher.metric_mode=least", "x=1,2")

    assert ended.code == 2
    assert "metric_mode" in ended.err
    assert not lab.find("slurm_outputs")


def test_at_most_parallelism_runs_are_in_flight(lab: Lab) -> None:
    lab.run("-m", "hydra/launcher=tmgg_slurm", "hydra.launcher.parallelism=2", "x=1,2,3,4")

    assert lab.slurm.most_at_once == 2
    assert len(lab.slurm.requests) == 4


def test_no_run_waits_for_another_below_parallelism(lab: Lab) -> None:
    lab.run("-m", "hydra/launcher=tmgg_slurm", "x=1,2,3,4", "+duration_s=0.5")

    assert lab.slurm.most_at_once == 4


def test_a_failing_run_does_not_stop_the_others_and_all_are_reported(lab: Lab) -> None:
    ended = lab.run("-m", "hydra/launcher=tmgg_slurm", "x=1,raise,die,4", "hydra.sweep.dir=sweep")

    assert ended.code == 1
    assert len(lab.find("sweep/*/model.txt")) == 2
    assert ended.err.count("1 failed (user_error: ") == 2
    assert "  x=raise  run " in ended.err
    assert "  x=die  run " in ended.err
    assert "2 of 4 runs failed" in ended.err
    # Told once, by the report; Hydra's traceback of the launcher does not come on top.
    assert ended.err.count('raise ValueError("the loss is purple")') == 1


def test_a_run_that_the_backend_refuses_does_not_stop_the_others(
    lab: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stand_in.StandIn, "refuse", "'x': 1,")

    ended = lab.run("-m", "hydra/launcher=tmgg_slurm", "x=1,2", "hydra.sweep.dir=sweep")

    assert ended.code == 1
    assert "1 failed (submission: " in ended.err
    assert "Existing: batch, debug" in ended.err
    assert lab.find("sweep/1/model.txt")


@pytest.mark.parametrize(
    ("overrides", "words"),
    [
        (["x=1,2", "name='${oc.env:TMGG_NOT_SET_${x}}'"], "job #0"),
        (["experiment._target_=tiny_experiment:run,17"], "job #1"),
        (["model=small,absent"], "absent"),
    ],
)
def test_one_bad_config_keeps_all_from_being_submitted(
    lab: Lab, overrides: list[str], words: str
) -> None:
    ended = lab.run("-m", "hydra/launcher=tmgg_slurm", *overrides)

    assert ended.code == 2
    assert words in ended.err
    assert not [request for runner in stand_in.asked for request in runner.requests]
    assert not lab.find("slurm_outputs")


def test_hydra_settings_of_jobs_act_in_the_job(lab: Lab) -> None:
    lab.write(
        "looking.py",
        "import os\n"
        "def run(config):\n"
        "    return {'sees': int(os.environ['NAME']), 'moved': 'sweep' in os.getcwd()}\n",
    )
    ended = lab.run(
        "-m",
        "hydra/launcher=tmgg_slurm",
        "experiment._target_=looking:run",
        "+hydra.job.env_set.NAME='17'",
        "hydra.job.chdir=true",
        "hydra.sweep.dir=sweep",
    )

    assert ended.code == 0, ended.err
    (row,) = [line.split() for line in ended.out.splitlines() if "completed" in line]
    assert row[-3:-1] == ["17", "True"]


def test_the_jobs_log_is_the_one_hydra_configures(lab: Lab) -> None:
    lab.write(
        "talking.py",
        "import logging\n"
        "def run(config):\n"
        "    logging.getLogger(__name__).info('half way there')\n"
        "    return {}\n",
    )
    lab.run(
        "-m",
        "hydra/launcher=tmgg_slurm",
        "experiment._target_=talking:run",
        "hydra.sweep.dir=sweep",
    )

    (log,) = lab.find("sweep/0/*.log")
    assert "[talking][INFO] - half way there" in log.read_text()
    assert logging.getLogger("talking").handlers == []


def test_a_sweep_that_is_resumed_runs_only_what_failed(lab: Lab) -> None:
    arguments = ["-m", "hydra/launcher=tmgg_slurm", "x=1,die,3"]
    lab.run(*arguments, "hydra.sweep.dir=first")
    failed_once = lab.slurm
    lab.write("tiny_experiment.py", EXPERIMENT.replace('"die"', '"live"'))

    ended = lab.run(*arguments, "hydra.sweep.dir=second", "hydra.launcher.resume=true")

    assert len(failed_once.requests) == 3
    again = [str(request.run_id) for request in lab.slurm.requests]
    assert set(again) <= {str(request.run_id) for request in failed_once.requests}
    assert len(lab.find("slurm_outputs/*/2")) == 1
    assert ended.out.count("completed") == 2


@pytest.mark.parametrize("limit", [1, 2])
def test_after_max_failures_nothing_more_is_started(lab: Lab, limit: int) -> None:
    ended = lab.run(
        "-m",
        "hydra/launcher=tmgg_slurm",
        f"hydra.launcher.max_failures={limit}",
        "hydra.launcher.parallelism=1",
        "x=raise,raise,3,4",
    )

    assert ended.code == 1
    assert len(lab.slurm.requests) == limit
    assert f"max_failures={limit}" in ended.out + ended.err
    assert "4 of 4 runs failed" in ended.err


def test_a_policy_reaches_the_sweep(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    given = []
    run_sweep = stand_in.StandIn.run_sweep

    def noted(runner: stand_in.StandIn, requests: Any, **options: Any) -> Any:
        given.append(options["policy"])
        return run_sweep(runner, requests, **options)

    monkeypatch.setattr(stand_in.StandIn, "run_sweep", noted)
    lab.run(
        "-m",
        "hydra/launcher=tmgg_slurm",
        "hydra.launcher.retries=3",
        "hydra.launcher.retry_kinds=[timeout]",
        "hydra.launcher.memory_growth=1.5",
        "x=1,2",
    )

    assert given == [SweepPolicy(retries=3, retry_kinds=("timeout",), memory_growth=1.5)]


@pytest.mark.parametrize(
    "options",
    [
        ["hydra.launcher.retry_kinds=[bad_luck]"],
        ["hydra.launcher.retry_kinds=timeout"],
        ["hydra.launcher.memory_growth=0.5"],
        ["hydra.launcher.max_failures=0"],
        ["hydra.launcher.max_failures=1", "hydra.launcher.detach=true"],
        ["hydra.launcher.slurm_sweep_mode=bundle"],
    ],
)
def test_a_policy_that_cannot_be_is_refused_before_anything_is_submitted(
    lab: Lab, options: list[str]
) -> None:
    ended = lab.run("-m", "hydra/launcher=tmgg_slurm", "x=1,2", *options)

    assert ended.code == 2
    assert options[0].partition("=")[0].rpartition(".")[2] in ended.err
    assert not lab.find("slurm_outputs")


def test_a_sweep_has_the_name_of_its_folder(lab: Lab) -> None:
    lab.run("-m", "hydra/launcher=tmgg_slurm", "x=1", "hydra.sweep.dir=outputs/two_seeds")

    (record,) = lab.find("slurm_outputs/.sweeps/*.json")
    assert json.loads(record.read_text())["name"] == "two_seeds"
