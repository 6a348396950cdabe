"""Whose run it is, whether it is run at all, and which start of it this is."""

from tests.experiment_utils.supervisor.conftest import JOB, Trial
from tmgg.experiment_utils.files.atomic_file import write_json
from tmgg.experiment_utils.run_folder.exit_record import End, leave_exit_record
from tmgg.experiment_utils.run_folder.ownership import claim


def test_a_run_that_is_anothers_is_left_alone(trial: Trial) -> None:
    trial.write("good")
    claim(trial.paths, "job-6")

    assert trial.begin().wait(60) == 0

    assert trial.printed == "tmgg: not needed, this submission belongs to job-6\n"
    assert not trial.paths.phases.exists()


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

    assert "tmgg: not needed, the end of this run was reported before\n" in trial.printed
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


def test_a_start_that_goes_on_after_a_later_one_began_leaves_no_end(trial: Trial) -> None:
    trial.write("holds")
    first = trial.hold()
    trial.paths.restart.write_text("1\n")  # begun again, on another node
    before = trial.paths.phases.read_text()

    first.terminate()

    assert first.wait(60) == 143
    assert not trial.paths.ended.exists()
    assert trial.paths.phases.read_text() == before


def test_the_late_record_of_an_earlier_start_does_not_keep_a_run_from_going_on(
    trial: Trial,
) -> None:
    trial.run("dies")  # with scope "run" it would be an end
    leave_exit_record(trial.paths, End(job_id=JOB, scope="run"))
    trial.paths.restart.write_text("1\n")

    trial.begin(restart=2).wait(60)

    assert trial.record.restart == 2


def test_what_was_missing_before_a_start_is_not_counted_on_after_it(trial: Trial) -> None:
    trial.write("dies")
    write_json(trial.paths.missing, {"version": 1, "since": 1.0})

    trial.begin().wait(60)

    assert not trial.paths.missing.exists()
