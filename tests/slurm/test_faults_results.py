"""Results that cannot be written, are damaged, come late, or carry another clock's time."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from slurm_cluster import Cluster
from tests.slurm.outages import fill, small_disk
from tests.slurm.trial import Trial, config, new_id, within


def test_a_full_disk_at_submission_is_an_error_and_submits_nothing(trial: Trial) -> None:
    run_id = new_id()
    with small_disk(trial.login, "slurm_outputs"):
        filler = fill(trial.login.host_folder / "slurm_outputs")
        with within(5):
            reply = trial.call("spawn", run_id, config=config("quick"))
        assert reply.error == "SubmissionError", reply
        assert "No space left on device" in reply.message
        assert "Nothing was submitted" in reply.message
        assert trial.jobs() == []
        filler.unlink()
        assert trial.call("spawn", run_id, config=config("quick")).error is None
        assert trial.result(run_id)["status"] == "completed"
    assert len(trial.starts(run_id)) == 1


def test_an_output_folder_that_cannot_be_written_is_an_error_and_submits_nothing(
    trial: Trial,
) -> None:
    trial.login.write("slurm_outputs/.place", "").parent.chmod(0o500)
    with within(5):
        reply = trial.call("spawn", new_id(), config=config("quick"))
    assert reply.error == "SubmissionError", reply
    assert "Permission denied" in reply.message
    assert trial.jobs() == []


def test_a_disk_that_is_full_when_the_job_begins_is_reported(trial: Trial) -> None:
    trial.settings |= {"lost_grace_s": 3.0, "poll_interval_s": 1.0}
    with small_disk(trial.login, "slurm_outputs"):
        run_id = trial.spawn(slurm={"extra_args": ["--hold"]})
        filler = fill(trial.login.host_folder / "slurm_outputs")
        trial.login.run("scontrol", "release", trial.job_id(run_id))
        with within(20):
            result = trial.result(run_id)
        _told_of_the_disk(result)
        assert trial.starts(run_id) == []
        filler.unlink()
        # The verdict could not be kept; another process reaches it again, in its own time.
        assert trial.result(run_id)["status"] == "failed"
        trial.settings["extra_args"] = []
        assert trial.call("retry", run_id).error is None


def test_a_disk_that_is_full_when_the_result_is_written_is_reported_and_a_retry_repeats(
    trial: Trial,
) -> None:
    trial.settings |= {"lost_grace_s": 3.0, "poll_interval_s": 1.0}
    with small_disk(trial.login, "slurm_outputs"):
        run_id = trial.held()
        filler = fill(trial.login.host_folder / "slurm_outputs")
        assert trial.state(run_id)["status"] == "running"
        trial.go()
        with within(20):
            result = trial.result(run_id)
        _told_of_the_disk(result)
        filler.unlink()
        assert trial.result(run_id) == result  # the verdict could not be kept, yet it is the same
        assert trial.call("retry", run_id).error is None
        with within(20):
            again = trial.result(run_id)
    assert (again["status"], again["attempts"]) == ("completed", 2)
    assert len(trial.starts(run_id)) == 2


def test_a_run_folder_made_read_only_before_the_job_begins_is_reported(trial: Trial) -> None:
    run_id = trial.spawn(slurm={"extra_args": ["--hold"]})
    trial.files(run_id).folder.chmod(0o500)
    trial.login.run("scontrol", "release", trial.job_id(run_id))
    with within(20):
        result = trial.result(run_id)
    assert result["failure"]["kind"] == "environment"
    assert "cannot write to" in result["failure"]["message"]


def test_the_result_line_is_used_when_the_file_could_not_be_written(trial: Trial) -> None:
    trial.settings |= {"lost_grace_s": 3.0, "poll_interval_s": 1.0}
    run_id = trial.held()
    trial.files(run_id).folder.chmod(0o500)
    trial.go()
    with within(20):
        result = trial.result(run_id)
    assert (result["status"], result["metrics"]["value"]) == ("completed", 1.0)
    assert not trial.files(run_id).result.exists()


def _empty(path: Path) -> None:
    path.write_text("")


def _cut(path: Path) -> None:
    path.write_text(path.read_text()[:40])


def _scribble(path: Path) -> None:
    path.write_bytes(b"\xff\xfe\x00 not a result")


def _lose(path: Path) -> None:
    path.unlink()


DAMAGES: list[Callable[[Path], None]] = [_empty, _cut, _scribble, _lose]


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_result_file_is_replaced_by_the_result_line(
    trial: Trial, damage: Callable[[Path], None]
) -> None:
    run_id = _ended(trial)
    damage(trial.files(run_id).result)
    with within(5):
        result = trial.result(run_id)
    assert (result["status"], result["metrics"]["value"]) == ("completed", 1.0)


def test_a_result_of_which_nothing_readable_is_left_is_a_bad_result(trial: Trial) -> None:
    trial.settings |= {"lost_grace_s": 3.0, "poll_interval_s": 1.0}
    run_id = _ended(trial)
    files = trial.files(run_id)
    _cut(files.result)
    files.run_paths.stdout.write_text('TMGG_RESULT:{"run_id": "cut he')
    with within(10):
        result = trial.result(run_id)
    assert result["failure"]["kind"] == "bad_result"
    assert "is not JSON" in result["failure"]["message"]
    assert "TMGG_RESULT" in result["failure"]["hint"]


def test_a_result_of_an_earlier_submission_is_not_taken_for_the_last_ones(trial: Trial) -> None:
    trial.settings |= {"lost_grace_s": 3.0, "poll_interval_s": 1.0}
    run_id = trial.spawn("die_later", slurm={"setup_commands": ["[ -e go ]"]})
    assert trial.result(run_id)["failure"]["kind"] == "environment"
    trial.go()
    assert trial.call("retry", run_id).error is None
    first, second = trial.files(run_id, 1), trial.files(run_id, 2)
    trial.wait_until(second.ended.exists, "the second job's end")
    value = {"version": 1, "run_id": run_id, "status": "completed", "submission": 1}
    second.result.write_text(json.dumps(value))
    assert not first.result.exists()
    with within(15):
        result = trial.result(run_id)
    assert result["status"] == "failed"
    assert result["attempts"] == 2


def test_a_result_that_appears_seconds_after_the_end_is_waited_for(trial: Trial) -> None:
    run_id = _ended(trial, "late")
    files = trial.files(run_id)
    with within(5):
        state = trial.state(run_id)
    assert (state["status"], state["final"]) == ("running", False)
    waiting = trial.start("result", run_id)
    trial.wait_until(files.missing.exists, "somebody who notices that it is missing")
    assert waiting.poll() is None
    (files.folder / "result.late").rename(files.result)
    with within(10):
        result = trial.finish(waiting).answer
    assert (result["status"], result["metrics"]["value"]) == ("completed", 1.0)


def test_a_result_that_never_appears_is_reported_after_the_grace(trial: Trial) -> None:
    trial.settings |= {"lost_grace_s": 5.0, "poll_interval_s": 1.0}
    run_id = _ended(trial, "late")
    with within(12):
        result = trial.result(run_id)
    assert result["failure"]["kind"] == "bad_result", result["failure"]


@pytest.mark.parametrize("skew_s", [-240, 240])
def test_clocks_that_differ_by_minutes_change_nothing(
    trial: Trial, cluster: Cluster, skew_s: int
) -> None:
    _install_skewed_clock(trial)
    trial.settings |= {"lost_grace_s": 5.0, "poll_interval_s": 1.0}
    job_clock = [f"export PYTHONPATH={trial.login.folder}/clock:$PYTHONPATH SKEW_S={skew_s}"]
    run_id = trial.spawn(slurm={"setup_commands": job_clock})
    with within(15):
        result = trial.result(run_id)
    assert result["status"] == "completed"
    assert 0 <= result["duration_seconds"] < 60
    late = _ended(trial, "late", setup_commands=job_clock)
    asker = {"PYTHONPATH": f"{trial.login.folder}/clock:{trial.login.environment['PYTHONPATH']}"}
    with within(15):
        state = trial.call("state", late, env=asker | {"SKEW_S": str(-skew_s)}).answer
        assert state["final"] is False
    waiting = trial.start("result", late)
    (trial.files(late).folder / "result.late").rename(trial.files(late).result)
    with within(15):
        assert trial.finish(waiting).answer["status"] == "completed"


def _ended(trial: Trial, experiment: str = "quick", **slurm: object) -> str:
    """A run whose job has ended while nobody was asking about it."""
    run_id = trial.spawn(experiment, slurm=slurm)
    trial.wait_until(trial.files(run_id).ended.exists, "the job's exit record")
    trial.wait_for_slurm(trial.job_id(run_id), "COMPLETED", "FAILED")
    return run_id


def _told_of_the_disk(result: dict[str, dict[str, str]]) -> None:
    assert result["failure"]["kind"] == "environment", result["failure"]
    assert "output_dir" in result["failure"]["hint"]


def _install_skewed_clock(trial: Trial) -> None:
    """Python whose PYTHONPATH leads here believes another time, by SKEW_S seconds."""
    trial.login.write(
        "clock/sitecustomize.py",
        "import os, time\n"
        "_now, _skew_s = time.time, float(os.environ.get('SKEW_S', 0))\n"
        "time.time = lambda: _now() + _skew_s\n",
    )
