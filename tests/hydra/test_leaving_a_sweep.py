"""Leaving a sweep before it ends: detached from the beginning, or by Ctrl-C."""

from pathlib import Path
from typing import Any

import pytest

from tests.fakes.clock import FakeClock
from tests.fakes.scripted_runner import ScriptedRunner
from tests.hydra import stand_in
from tests.hydra.conftest import Lab
from tmgg.experiment_utils.cloud import LocalConfig, LocalRunner
from tmgg.experiment_utils.cloud.runs import RunState, SpawnedTask, TaskRequest
from tmgg.experiment_utils.cloud.sweep import records
from tmgg.experiment_utils.run_folder.paths import SweepPaths
from tmgg.experiment_utils.run_folder.sweeps import load_sweep
from tmgg.hydra_plugins import launching, tmgg_launcher


def test_detach_submits_all_and_returns_with_the_run_ids(lab: Lab) -> None:
    ended = lab.run(
        "-m",
        "hydra/launcher=tmgg_slurm",
        "hydra.launcher.detach=true",
        "hydra.launcher.parallelism=1",
        "x=1,2",
        f"+wait_for={lab.folder}/go",
    )

    assert ended.code == 0, ended.err
    lab.write("go", "")
    run_ids = [str(request.run_id) for request in lab.slurm.requests]
    assert f"tmgg-jobs wait {run_ids[0].rpartition('-')[0]}\n" in ended.err
    runner = LocalRunner(LocalConfig(output_dir="slurm_outputs"))
    assert [runner.get_result(run_id).metrics["x"] for run_id in run_ids] == [1, 2]


def test_a_resumed_sweep_has_one_name_and_counts_what_it_submitted(lab: Lab) -> None:
    given = (
        *("-m", "hydra/launcher=tmgg_slurm", "hydra.launcher.detach=true"),
        f"+wait_for={lab.folder}/go",
    )
    lab.run(*given, "x=1,2")
    ended = lab.run(*given, "x=1,2,3", "hydra.launcher.resume=true")
    lab.write("go", "")

    new = next(str(each.run_id) for each in lab.slurm.requests if each.config["x"] == 3)
    sweep_id = new.rpartition("-")[0]
    assert ended.code == 0, ended.err
    assert f"1 run is submitted (sweep {sweep_id}), 2 are under way already\n" in ended.err
    assert f"  tmgg-jobs wait {sweep_id}\n" in ended.err
    record = load_sweep(SweepPaths(lab.folder / "slurm_outputs", sweep_id))
    assert record is not None
    assert [run.title.partition("x=")[2] for run in record.runs] == ["1", "2", "3"]
    runner = LocalRunner(LocalConfig(output_dir="slurm_outputs"))
    for run in record.runs:
        runner.get_result(run.run_id)
    ended = lab.run(*given, "x=1,2,3", "hydra.launcher.resume=true")
    assert "no run is submitted" in ended.err
    assert ", 3 completed before\n" in ended.err
    assert "tmgg-jobs wait" not in ended.err


def test_a_resumed_part_of_a_sweep_is_named_without_its_other_runs(lab: Lab) -> None:
    given = (
        *("-m", "hydra/launcher=tmgg_slurm", "hydra.launcher.detach=true"),
        f"+wait_for={lab.folder}/go",
    )
    lab.run(*given, "x=1,2,3")
    first, second, third = (str(request.run_id) for request in lab.slurm.requests)
    ended = lab.run(*given, "x=1,2", "hydra.launcher.resume=true")
    lab.write("go", "")

    assert f"  tmgg-jobs wait {first} {second}\n" in ended.err
    assert f"  tmgg-jobs cancel {first} {second}\n" in ended.err
    runner = LocalRunner(LocalConfig(output_dir="slurm_outputs"))
    for run_id in (first, second, third):
        runner.get_result(run_id)


def test_a_detached_run_that_is_refused_fails_alone(
    lab: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stand_in.StandIn, "refuse", "'x': 1,")

    ended = lab.run("-m", "hydra/launcher=tmgg_slurm", "hydra.launcher.detach=true", "x=1,2")

    assert ended.code == 2
    assert "was not submitted: Invalid partition" in ended.err
    second = str(lab.slurm.requests[1].run_id)
    assert f"tmgg-jobs wait {second}\n" in ended.err
    LocalRunner(LocalConfig(output_dir="slurm_outputs")).get_result(second)


def test_ctrl_c_tells_what_goes_on_and_what_was_not_submitted(
    lab: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stand_in.StandIn, "interrupt_at_poll", 2)

    ended = lab.run(
        "-m",
        "hydra/launcher=tmgg_slurm",
        "hydra.launcher.parallelism=2",
        "x=1,2,3",
        f"+wait_for={lab.folder}/go",
    )
    lab.write("go", "")

    assert ended.code == 130
    first, second = (str(request.run_id) for request in lab.slurm.requests)
    assert "1 of 3 runs were not submitted yet" in ended.err
    sweep_id = first.rpartition("-")[0]
    assert f"tmgg-jobs wait {sweep_id}\n" in ended.err
    assert f"tmgg-jobs retry {sweep_id}    # submits the rest, and what failed\n" in ended.err
    runner = LocalRunner(LocalConfig(output_dir="slurm_outputs"))
    assert runner.get_result(second).status == "completed"


def test_ctrl_c_before_the_first_look_still_knows_what_was_submitted(
    lab: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stand_in.StandIn, "interrupt_at_poll", 1)

    ended = lab.run("-m", "hydra/launcher=tmgg_slurm", "hydra.launcher.parallelism=1", "x=1,2")

    (first,) = (str(request.run_id) for request in lab.slurm.requests)
    assert ended.code == 130
    assert "1 of 2 runs were not submitted yet" in ended.err
    assert f"tmgg-jobs wait {first}\n" in ended.err


def test_ctrl_c_cancels_all_with_one_request(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stand_in.StandIn, "interrupt_at_poll", 1)
    polled: list[int] = []
    poll = stand_in.StandIn.poll

    def counted(runner: stand_in.StandIn, run_ids: list[str]) -> list[RunState]:
        polled.append(len(run_ids))
        return poll(runner, run_ids)

    monkeypatch.setattr(stand_in.StandIn, "poll", counted)
    ended = lab.run(
        "-m",
        "hydra/launcher=tmgg_slurm",
        "hydra.launcher.cancel_on_interrupt=true",
        "x=1,2,3",
        "+duration_s=60",
    )
    assert ended.code == 130
    assert polled == [3, 3]
    for request in lab.slurm.requests:
        assert f"run {request.run_id} is being cancelled" in ended.err


def test_a_second_ctrl_c_just_leaves(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stand_in.StandIn, "interrupt_at_poll", 1)

    def interrupted_again(runner: object, run_ids: list[str]) -> list[bool]:
        raise KeyboardInterrupt

    monkeypatch.setattr(stand_in.StandIn, "cancel_all", interrupted_again)

    ended = lab.run(
        "-m",
        "hydra/launcher=tmgg_slurm",
        "hydra.launcher.cancel_on_interrupt=true",
        "x=1,2",
    )

    assert ended.code == 130
    assert "Traceback" not in ended.err


def test_ctrl_c_before_anything_is_on_record_says_that_nothing_was_submitted(
    lab: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(records, "create_batch", _interrupt)

    ended = lab.run("-m", "hydra/launcher=tmgg_slurm", "x=1,2,3")

    assert ended.code == 130
    assert ended.err.endswith("\ninterrupted; nothing was submitted\n")
    assert not list((lab.folder / "slurm_outputs" / ".batches").iterdir())


@pytest.mark.parametrize(
    "place", ["parse_options", "look_ahead", "sweep_name"], ids=["setup", "checks", "folder"]
)
def test_ctrl_c_before_submission_is_told_without_a_traceback(
    lab: Lab, monkeypatch: pytest.MonkeyPatch, place: str
) -> None:
    monkeypatch.setattr(tmgg_launcher, place, _interrupt)

    ended = lab.run("-m", "hydra/launcher=tmgg_slurm", "x=1,2,3")

    assert (ended.code, ended.err) == (130, "\ninterrupted; nothing was submitted\n")


def test_ctrl_c_in_a_detached_launch_tells_what_was_submitted(
    lab: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    spawn = stand_in.StandIn.spawn

    def interrupted_at_second(
        runner: stand_in.StandIn, request: TaskRequest, **options: Any
    ) -> SpawnedTask:
        if runner.requests:
            raise KeyboardInterrupt
        return spawn(runner, request, **options)

    monkeypatch.setattr(stand_in.StandIn, "spawn", interrupted_at_second)
    ended = lab.run(
        *("-m", "hydra/launcher=tmgg_slurm", "hydra.launcher.detach=true", "x=1,2,3"),
        f"+wait_for={lab.folder}/go",
    )
    lab.write("go", "")

    (first,) = (str(request.run_id) for request in lab.slurm.requests)
    assert ended.code == 130
    assert "2 of 3 runs were not submitted yet" in ended.err
    assert f"1 of 3 runs go on without this process\n  tmgg-jobs wait {first}\n" in ended.err
    LocalRunner(LocalConfig(output_dir="slurm_outputs")).get_result(first)


def test_what_nobody_can_tell_at_ctrl_c_is_said_not_to_be_known(
    lab: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stand_in.StandIn, "spawn", _interrupt)

    def unread(_runner: object, run_ids: list[str]) -> list[RunState]:
        return [
            RunState(run_id=run_id, status="pending", final=False, answered=False)
            for run_id in run_ids
        ]

    monkeypatch.setattr(stand_in.StandIn, "poll", unread)
    ended = lab.run("-m", "hydra/launcher=tmgg_slurm", "x=1,2")

    assert ended.code == 130
    assert "whether 2 of 2 runs were submitted is not known now\n  tmgg-jobs wait" in ended.err
    assert "go on" not in ended.err


def _interrupt(*_arguments: object, **_options: object) -> Any:
    raise KeyboardInterrupt


def test_hundreds_of_detached_runs_are_named_by_their_sweep(
    lab: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stand_in.StandIn, "spawn", stand_in.StandIn.note)

    ended = lab.run("-m", "hydra/launcher=tmgg_slurm", "hydra.launcher.detach=true", "x=range(100)")

    assert ended.code == 0, ended.err
    sweep_id = str(lab.slurm.requests[0].run_id).rpartition("-")[0]
    assert f"tmgg-jobs wait {sweep_id}\n" in ended.err
    assert "... and 50 more" in ended.out


def test_what_is_another_clusters_is_not_offered_to_be_cancelled(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    runner = ScriptedRunner(FakeClock(), tmp_path)
    launching._say_how_to_come_back(runner, ["a", "b"], asked=["a", "b"], elsewhere={"a"})
    assert capsys.readouterr().err == "  tmgg-jobs wait a b\n  tmgg-jobs cancel b\n"
    launching._say_how_to_come_back(runner, ["a"], asked=["a"], elsewhere={"a"})
    assert capsys.readouterr().err == "  tmgg-jobs wait a\n"
