"""`tmgg-jobs show`: all there is to know about a run, and where to look further."""

import json
import shlex
from pathlib import Path

import pytest

from tests.fakes.slurm.fake import FakeSlurm
from tests.jobs.conftest import BAD, GOOD, Jobs, submit
from tests.jobs.test_list import RUN_KEYS
from tmgg.experiment_utils.run_folder.paths import RunPaths

SHOW_KEYS = RUN_KEYS | {
    "host", "base_dir", "tmgg_version", "settings", "result", "submissions", "timeline", "files",
    "commands", "refused_retry", "used", "advice", "title",
}  # fmt: skip


def test_json_has_the_documented_keys(here: Path, tmgg_jobs: Jobs) -> None:
    shown = tmgg_jobs("show", GOOD, "--json").json
    assert set(shown) == SHOW_KEYS
    assert shown["result"]["metrics"] == {"loss": 0.25, "epochs": 3}
    assert [set(mark) for mark in shown["timeline"]] == [
        {"name", "at", "seconds", "host", "words"}
    ] * len(shown["timeline"])


def test_the_timeline_tells_how_the_job_got_on(here: Path, tmgg_jobs: Jobs) -> None:
    timeline = tmgg_jobs("show", GOOD, "--json").json["timeline"]
    names = [mark["name"] for mark in timeline]
    assert names[0] == "recorded"
    assert {"submitted", "batch_start", "entrypoint_start", "batch_end"} <= set(names)
    assert timeline[0]["seconds"] == 0
    assert all(mark["seconds"] >= 0 for mark in timeline)


def test_torn_lines_of_the_phases_are_left_out(here: Path, tmgg_jobs: Jobs) -> None:
    phases = RunPaths(here / "local_outputs", GOOD).submission(1).phases
    phases.write_text("batch_start 100.5 node1\nentry\nray_start nan node1\n\0\nx 1 n extra\n")
    names = [mark["name"] for mark in tmgg_jobs("show", GOOD, "--json").json["timeline"]]
    assert sorted(names) == ["batch_start", "recorded", "submitted"]


def test_a_failure_comes_with_what_happened_and_what_to_do(here: Path, tmgg_jobs: Jobs) -> None:
    shown = tmgg_jobs("show", BAD).out
    assert "status      failed (user_error)" in shown
    assert 'raise ValueError("boom")' in shown
    assert "what to do" in shown


def test_the_files_that_are_shown_exist(here: Path, tmgg_jobs: Jobs) -> None:
    files = tmgg_jobs("show", GOOD, "--json").json["files"]
    assert {"stdout", "stderr", "record", "task", "result", "exit_record"} <= set(files)
    assert all(Path(path).exists() for path in files.values())


def test_commands_to_look_deeper_can_be_pasted(here: Path, tmgg_jobs: Jobs) -> None:
    commands = tmgg_jobs("show", GOOD, "--json").json["commands"]
    log = str(here / "local_outputs" / f"{GOOD}.out")
    assert shlex.split(commands[1]) == ["tail", log]  # the folder's name has a space


def test_slurm_commands_name_the_job(empty: Path, tmgg_jobs: Jobs, slurm: FakeSlurm) -> None:
    job = submit("run-1")
    shown = tmgg_jobs("show", "run-1", "--json").json
    for command in ("squeue --states=all", "scontrol show job", "sacct", "scancel"):
        assert any(line.startswith(command) and job in line for line in shown["commands"]), command
    assert shown["settings"]["nodes"] == 1


def test_a_retried_run_shows_both_submissions(
    empty: Path, tmgg_jobs: Jobs, slurm: FakeSlurm
) -> None:
    first = submit("run-1", name="bad")
    slurm.run(first)
    slurm.wait_for(first, "FAILED")
    second = json.loads(tmgg_jobs("retry", "run-1", "--json").out)["retried"][0]["job_id"]
    shown = tmgg_jobs("show", "run-1", "--json").json
    assert [item["job_id"] for item in shown["submissions"]] == [first, second]
    assert [item["failure_kind"] for item in shown["submissions"]] == ["user_error", None]
    assert f"1: job {first}, user_error" in tmgg_jobs("show", "run-1").out


def test_a_submission_that_was_given_up_before_it_began_is_shown_as_that(
    empty: Path, tmgg_jobs: Jobs, slurm: FakeSlurm
) -> None:
    job = submit("run-1", name="bad")
    slurm.run(job)
    slurm.wait_for(job, "FAILED")
    assert tmgg_jobs("retry", "run-1").code == 0
    first = RunPaths(empty / "slurm_outputs", "run-1").submission(1)
    first.verdict.unlink()
    (first.folder / "owner").write_text("nobody\n")

    assert "given up before it began" in tmgg_jobs("show", "run-1").out


def test_a_damaged_record_is_shown_as_far_as_it_goes(here: Path, tmgg_jobs: Jobs) -> None:
    RunPaths(here / "local_outputs", GOOD).run.write_text("{")
    shown = tmgg_jobs("show", GOOD)
    assert shown.code == 3
    assert "damaged" in shown.out
    assert "is not JSON" in shown.out


@pytest.mark.parametrize("field", ["result", "verdict"])
def test_a_result_that_is_damaged_is_no_traceback(here: Path, tmgg_jobs: Jobs, field: str) -> None:
    getattr(RunPaths(here / "local_outputs", GOOD).submission(1), field).write_bytes(b"\xff{")
    assert tmgg_jobs("show", GOOD, "--json").json["run_id"] == GOOD


def test_the_name_of_a_metric_cannot_imitate_a_field(here: Path, tmgg_jobs: Jobs) -> None:
    result = RunPaths(here / "local_outputs", GOOD).submission(1).result
    result.write_text(result.read_text().replace('"epochs"', '"x=1\\nproblem     none\\ny"'))
    shown = tmgg_jobs("show", GOOD).out
    assert "x=1\\nproblem     none\\ny=3" in shown
    assert "\nproblem " not in shown
