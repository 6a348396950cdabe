"""The steps of every supervisor: whose run it is, which start, and what is left of it."""

import json

import pytest

from tests.experiment_utils.supervisor.conftest import JOB, MakeTrial, Trial
from tmgg.experiment_utils.files.atomic_file import write_json
from tmgg.experiment_utils.job.job_exit_codes import CANNOT_WRITE, SUPERVISOR_FAILED
from tmgg.experiment_utils.run_folder.phases import parse_phases


def phases(trial: Trial) -> list[str]:
    return [mark.name for mark in parse_phases(trial.paths.phases.read_text())]


def test_a_run_leaves_its_marks_in_order(trial: Trial) -> None:
    assert trial.run("good") == 0

    assert phases(trial) == ["batch_start", "entrypoint_start", "entrypoint_end", "batch_end"]
    assert trial.printed.startswith(f"tmgg: submission 1, restart 0, job {JOB} on ")
    record = trial.record
    assert (record.job_id, record.scope, record.host, record.restart) == (JOB, "job", "", 0)


def test_a_run_that_has_ended_is_not_run_again(trial: Trial) -> None:
    trial.run("good")

    assert trial.begin(restart=1).wait(60) == 0

    assert "tmgg: not needed, this run has ended\n" in trial.printed
    assert trial.record.restart == 0


def test_a_run_that_left_no_result_is_run_again_when_its_job_is(trial: Trial) -> None:
    assert trial.run("dies") == 7

    assert trial.begin(restart=1).wait(60) == 7

    assert trial.record.restart == 1


def test_a_run_whose_end_was_told_is_not_run_again(trial: Trial) -> None:
    trial.write("good")
    write_json(trial.paths.verdict, {"version": 1})

    assert trial.begin(restart=1).wait(60) == 0

    assert "tmgg: not needed, the end of this run was told\n" in trial.printed
    assert not trial.paths.phases.exists()


def test_another_start_after_an_interruption_is_a_later_one(trial: Trial) -> None:
    trial.write("holds")
    first = trial.hold()
    first.terminate()
    assert first.wait(60) == 143
    assert (trial.record.signal, trial.record.restart) == ("TERM", 0)

    second = trial.hold()

    assert trial.paths.restart.read_text() == "1\n"
    assert (trial.paths.folder / "phases.before-restart-1").exists()
    second.terminate()
    second.wait(60)
    assert trial.record.restart == 1


def test_a_stop_that_was_asked_for_before_the_run_began_counts(trial: Trial) -> None:
    trial.write("good")
    trial.paths.stop.touch()

    trial.begin().wait(60)

    assert trial.paths.stop.exists()


@pytest.mark.parametrize(("kills", "kind"), [((0, 1), "out_of_memory"), ((3, 3), None)])
def test_a_run_that_was_killed_while_memory_was_used_up_says_so(
    trial: Trial, kills: tuple[int, int], kind: str | None
) -> None:
    changed = f"run_supervisor.count_oom_kills = iter({kills}).__next__"

    assert trial.run("is_killed", changed=changed) == 137

    failure = trial.record.failure
    assert (None if failure is None else failure.kind) == kind


def test_a_supervisor_that_cannot_leave_the_record_says_so_by_its_exit_code(
    make_trial: MakeTrial,
) -> None:
    trial = make_trial("r" * 250)  # with the number of the submission no file may be called so

    assert trial.run("good") == CANNOT_WRITE

    assert "File name too long" in trial.printed


def test_a_supervisor_that_fails_itself_says_so_by_its_exit_code(trial: Trial) -> None:
    assert trial.run("good", changed="prepare = lambda: 1 // 0") == SUPERVISOR_FAILED

    assert "ZeroDivisionError" in trial.printed
    assert not trial.paths.ended.exists()


def test_a_run_that_is_asked_to_end_before_it_begins_never_does(trial: Trial) -> None:
    assert trial.run("good", changed="prepare = lambda: None") == 143

    record = json.loads(trial.paths.ended.read_text())
    assert (record["stage"], record["signal"]) == ("cancelled", "TERM")
