"""What ends a run's process, and what of it is on record."""

import json
import time

from tests.experiment_utils.supervisor.conftest import Trial
from tmgg.experiment_utils.files.atomic_file import write_json


def test_a_run_that_is_cancelled_ends_soon_though_nobody_tells_its_supervisor(trial: Trial) -> None:
    trial.write("holds")
    supervisor = trial.hold()
    write_json(trial.paths.cancel, {"version": 1})
    began_s = time.monotonic()

    assert supervisor.wait(60) == 143

    assert time.monotonic() - began_s < 20, "it looks twice a second"
    assert (trial.record.signal, trial.record.exit_code) == ("", 143)


def test_a_run_whose_supervisor_is_told_while_it_ends_for_a_cancellation_was_asked_to(
    trial: Trial,
) -> None:
    trial.write("holds")
    supervisor = trial.hold()
    write_json(trial.paths.cancel, {"version": 1})
    supervisor.terminate()

    assert supervisor.wait(60) == 143

    assert trial.record.signal == "TERM"


def test_a_run_beyond_the_reach_of_its_own_limit_is_ended(trial: Trial) -> None:
    trial.write("sleeps_natively", timeout_seconds=1)

    trial.begin(hard_limit_after_s=2, kill_after_s=0.5).wait(60)

    failure = trial.record.failure
    assert failure is not None
    assert (failure.kind, failure.message) == (
        "timeout",
        "timeout_seconds=1 is over, and it did not end itself.",
    )


def test_a_run_that_sends_its_files_is_not_over_time(trial: Trial) -> None:
    url = f"file://{trial.folder}/sent"
    trial.write("sends_slowly", timeout_seconds=1, artifact_url=url)

    assert trial.begin(hard_limit_after_s=0.5, kill_after_s=0.5).wait(60) == 0

    assert json.loads(trial.paths.result.read_text())["status"] == "completed"


def test_a_run_whose_task_cannot_be_read_says_so_itself(trial: Trial) -> None:
    trial.write("good")
    trial.paths.run_paths.task.write_text("{")

    assert trial.begin().wait(60) == 1

    assert "is not JSON" in json.loads(trial.paths.result.read_text())["error_message"]
    assert trial.record.failure is None
