"""The steps of every supervisor, and what they leave when one of them fails."""

import json

import pytest

from tests.experiment_utils.supervisor.conftest import JOB, MakeTrial, Trial
from tmgg.experiment_utils.job.job_exit_codes import CANNOT_WRITE, SUPERVISOR_FAILED
from tmgg.experiment_utils.run_folder.attempt_log import last_attempt
from tmgg.experiment_utils.run_folder.phases import parse_phases


def phases(trial: Trial) -> list[str]:
    return [mark.name for mark in parse_phases(trial.paths.phases.read_text())]


def test_a_run_leaves_its_marks_in_order(trial: Trial) -> None:
    assert trial.run("good") == 0

    assert phases(trial) == ["batch_start", "entrypoint_start", "entrypoint_end", "batch_end"]
    assert trial.printed.startswith(f"tmgg: submission 1, restart 0, job {JOB} on ")
    record = trial.record
    assert (record.job_id, record.scope, record.host, record.restart) == (JOB, "job", "", 0)


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


def test_a_supervisor_that_cannot_claim_the_run_says_so_in_its_own_part_of_the_log(
    trial: Trial,
) -> None:
    (trial.folder / "printed").write_text(
        "tmgg: submission 1, restart 0, job 1 on n\nMemoryError\n"
    )
    fails = "run_supervisor.claim_run = lambda start: Path('/proc/owner').write_text('')"

    assert trial.run("good", changed=fails) == CANNOT_WRITE

    said = last_attempt(trial.printed, submission="1", restart=0)
    assert "/proc/owner" in said
    assert "MemoryError" not in said


def test_a_supervisor_that_fails_itself_says_so_by_its_exit_code(trial: Trial) -> None:
    assert trial.run("good", changed="prepare = lambda: 1 // 0") == SUPERVISOR_FAILED

    assert "ZeroDivisionError" in trial.printed
    assert not trial.paths.ended.exists()


def test_a_run_that_is_asked_to_end_before_it_begins_never_does(trial: Trial) -> None:
    assert trial.run("good", changed="prepare = lambda: None") == 143

    record = json.loads(trial.paths.ended.read_text())
    assert (record["stage"], record["signal"]) == ("cancelled", "TERM")


def test_the_mark_of_a_start_has_a_line_of_its_own(trial: Trial) -> None:
    (trial.folder / "printed").write_text("45%|####")

    assert trial.run("good") == 0

    assert trial.printed.startswith("45%|####\ntmgg: submission 1, restart 0, ")
