"""`tmgg-jobs list`: all runs, whatever their folder, backend and condition, with few questions."""

import io
import json
import os
import sys
import time
from pathlib import Path

import pytest

from tests.fakes.slurm.fake import FakeSlurm
from tests.jobs.conftest import BAD, DIVERGING, GOOD, Jobs, submit, task
from tmgg.console.printing import put
from tmgg.console.tables import Column, put_columns
from tmgg.experiment_utils.cloud.local.config import LocalConfig
from tmgg.experiment_utils.cloud.local.runner import LocalRunner
from tmgg.experiment_utils.run_folder.known_folders import remember_folder
from tmgg.experiment_utils.run_folder.paths import RunPaths

RUN_KEYS = {
    "run_id", "status", "backend", "folder", "created_at", "user", "final", "attempt", "job_id",
    "backend_state", "reason", "exit_code", "nodes", "estimated_start", "answered", "note",
    "failure", "problem",
}  # fmt: skip


def test_a_table_has_a_line_for_each_run(here: Path, tmgg_jobs: Jobs) -> None:
    listed = tmgg_jobs("list")
    lines = listed.out.splitlines()
    assert lines[0].split() == ["run", "status", "age", "backend", "job", "attempt", "details"]
    assert [line.split()[:2] for line in lines[1:]] == [
        [GOOD, "completed"],
        [BAD, "failed"],
        [DIVERGING, "completed"],
    ]
    assert "user_error: ValueError: boom" in listed.out
    assert (listed.code, listed.err) == (0, "")


def test_json_is_one_document_with_the_documented_keys(here: Path, tmgg_jobs: Jobs) -> None:
    runs = tmgg_jobs("list", "--json").json["runs"]
    assert [set(run) for run in runs] == [RUN_KEYS] * 3
    failed = runs[1]
    assert failed["failure"]["kind"] == "user_error"
    assert set(failed["failure"]) == {"kind", "message", "hint"}
    assert failed["folder"] == str(here / "local_outputs")


def test_it_works_from_any_directory(
    here: Path, tmgg_jobs: Jobs, monkeypatch: pytest.MonkeyPatch
) -> None:
    remember_folder(here / "local_outputs")
    monkeypatch.chdir("/")
    assert len(tmgg_jobs("list", "--json").json["runs"]) == 3


def test_a_folder_can_be_chosen(here: Path, tmgg_jobs: Jobs, tmp_path: Path) -> None:
    assert tmgg_jobs("list", "--folder", str(tmp_path)).out == ""
    assert GOOD in tmgg_jobs("list", "--folder", "local_outputs").out


def test_without_any_run_it_says_so_and_is_no_error(empty: Path, tmgg_jobs: Jobs) -> None:
    listed = tmgg_jobs("list")
    assert (listed.code, listed.out, listed.err) == (0, "", "no runs found\n")
    assert tmgg_jobs("list", "--json").json == {"runs": []}


def test_runs_that_ended_long_ago_are_shown_on_request(here: Path, tmgg_jobs: Jobs) -> None:
    verdict = RunPaths(here / "local_outputs", GOOD).submission(1).verdict
    two_days_ago = time.time() - 2 * 86400
    os.utime(verdict, (two_days_ago, two_days_ago))
    listed = tmgg_jobs("list")
    assert GOOD not in listed.out
    assert "1 of 3 runs not shown (--all)" in listed.err
    assert GOOD in tmgg_jobs("list", "--all").out
    assert GOOD in tmgg_jobs("list", "--status", "completed").out


def test_runs_are_chosen_by_status(here: Path, tmgg_jobs: Jobs) -> None:
    runs = tmgg_jobs("list", "--status", "failed", "--json").json["runs"]
    assert [run["run_id"] for run in runs] == [BAD]
    assert tmgg_jobs("list", "--status", "sleeping").code == 2


def test_a_sweep_is_chosen_by_its_id(empty: Path, tmgg_jobs: Jobs, slurm: FakeSlurm) -> None:
    sweep = "20261123-120000-0123abcd"
    for run_id in (f"{sweep}-0", f"{sweep}-1", "20261123-120000-0123abce"):
        submit(run_id)
    runs = tmgg_jobs("list", "--sweep", sweep, "--json").json["runs"]
    assert [run["run_id"] for run in runs] == [f"{sweep}-0", f"{sweep}-1"]


@pytest.mark.parametrize("content", ["", "{", "[]", '{"version": 99}', '{"version": 1}', "\0"])
def test_a_damaged_record_is_shown_and_hinders_no_other(
    here: Path, tmgg_jobs: Jobs, content: str
) -> None:
    RunPaths(here / "local_outputs", GOOD).run.write_text(content)
    listed = tmgg_jobs("list", "--json")
    by_id = {run["run_id"]: run for run in listed.json["runs"]}
    assert by_id[GOOD]["status"] == "damaged"
    assert "run.json" in by_id[GOOD]["problem"]
    assert by_id[BAD]["status"] == "failed"
    assert listed.code == 0
    assert f"{GOOD}" in tmgg_jobs("list", "--status", "damaged").out


@pytest.mark.parametrize(
    "change",
    [
        {"settings": None},
        {"settings": {"lost_grace_s": "long"}, "backend": "slurm"},
        {"created_at": "yesterday"},
        {"base_dir": 3},
    ],
)
def test_a_record_with_values_that_cannot_be_is_damaged(
    here: Path, tmgg_jobs: Jobs, change: dict[str, object]
) -> None:
    record = RunPaths(here / "local_outputs", GOOD).run
    record.write_text(json.dumps(json.loads(record.read_text()) | change))
    runs = tmgg_jobs("list", "--json").json["runs"]
    assert {run["run_id"]: run["status"] for run in runs}[GOOD] == "damaged"
    assert len(runs) == 3


def test_a_run_of_a_backend_that_is_not_installed_is_unknown_and_not_damaged(
    here: Path, tmgg_jobs: Jobs
) -> None:
    record = RunPaths(here / "local_outputs", GOOD).run
    record.write_text(json.dumps(json.loads(record.read_text()) | {"backend": "carrier pigeon"}))
    runs = tmgg_jobs("list", "--json").json["runs"]
    assert {run["run_id"]: run["status"] for run in runs}[GOOD] == "unknown"


@pytest.mark.parametrize("content", ["{", '{"version": 1}', '{"version": 1, "status": "running"}'])
def test_a_damaged_verdict_is_reached_again(here: Path, tmgg_jobs: Jobs, content: str) -> None:
    RunPaths(here / "local_outputs", GOOD).submission(1).verdict.write_text(content)
    runs = tmgg_jobs("list", "--json").json["runs"]
    assert {run["run_id"]: run["status"] for run in runs}[GOOD] == "completed"


def test_other_things_in_the_folder_are_no_runs(here: Path, tmgg_jobs: Jobs) -> None:
    (here / "local_outputs" / "notes.txt").write_text("mine")
    (here / "local_outputs" / "plots").mkdir()
    (here / "local_outputs" / ".hidden").mkdir()
    assert len(tmgg_jobs("list", "--json").json["runs"]) == 3


def test_the_same_run_id_in_two_folders_is_two_runs(
    here: Path, tmgg_jobs: Jobs, tmp_path: Path
) -> None:
    other = tmp_path / "other"
    (other / "local_outputs").parent.mkdir()
    os.rename(here / "local_outputs" / GOOD, other / GOOD)  # noqa: PTH104
    (here / "local_outputs" / BAD).rename(here / "local_outputs" / GOOD)
    folders = ["--folder", "local_outputs", "--folder", str(other)]
    runs = tmgg_jobs("list", *folders, "--json").json["runs"]
    assert [run["status"] for run in runs if run["run_id"] == GOOD] == ["completed", "failed"]


def test_runs_of_many_folders_and_settings_cost_two_questions(
    empty: Path, tmgg_jobs: Jobs, slurm: FakeSlurm
) -> None:
    jobs = [submit(f"run-{n}", output_dir=f"out{n}", poll_interval_s=10.0 + n) for n in range(4)]
    slurm.change_job(jobs[0], state="RUNNING")
    slurm.change_job(jobs[1], state="FAILED", reason="NonZeroExitCode", exit_status=256)
    before = len(slurm.calls())
    runs = tmgg_jobs("list", "--json").json["runs"]
    assert [call.argv[0] for call in slurm.calls()[before:]] == ["squeue", "sacct"]
    assert [run["status"] for run in runs] == ["running", "failed", "pending", "pending"]


def test_runs_that_have_ended_cost_no_question(
    empty: Path, tmgg_jobs: Jobs, slurm: FakeSlurm
) -> None:
    job = submit("run-1")
    slurm.run(job)
    slurm.wait_for(job, "COMPLETED")
    assert tmgg_jobs("list", "--json").json["runs"][0]["status"] == "completed"
    before = len(slurm.calls())
    assert tmgg_jobs("list", "--json").json["runs"][0]["status"] == "completed"
    assert len(slurm.calls()) == before


def test_a_backend_that_does_not_answer_is_said_and_known_by_the_exit_code(
    empty: Path, tmgg_jobs: Jobs, slurm: FakeSlurm
) -> None:
    submit("run-1")
    slurm.configure(controller="down", accounting="down")
    listed = tmgg_jobs("list", "--json")
    assert listed.code == 4
    assert (listed.json["runs"][0]["status"], listed.json["runs"][0]["answered"]) == (
        "pending",
        False,
    )
    assert "no answer about 1 of 1 runs" in listed.err


def test_slurm_runs_are_listed_where_slurm_is_not_installed(
    empty: Path,
    tmgg_jobs: Jobs,
    slurm: FakeSlurm,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    submit("run-1")
    monkeypatch.setenv("PATH", "/nonexistent")
    listed = tmgg_jobs("list", "--json")
    assert listed.code == 4
    assert listed.json["runs"][0]["status"] == "pending"
    assert "not on PATH" in caplog.text


def test_a_local_run_of_another_machine_is_not_judged_here(
    slow_run: str, empty: Path, tmgg_jobs: Jobs
) -> None:
    job = RunPaths(empty / "local_outputs", slow_run).submission(1).job
    mine = job.read_text()
    here = os.uname().nodename
    job.write_text(mine.replace(f"@{here}", "@elsewhere"))
    listed = tmgg_jobs("list", "--json")
    job.write_text(mine)
    assert listed.code == 4
    assert not listed.json["runs"][0]["final"]


def test_a_run_in_a_folder_of_another_user_is_left_out(
    here: Path, tmgg_jobs: Jobs, monkeypatch: pytest.MonkeyPatch
) -> None:
    # root may read everything, so the refusal is pretended.
    refused = str(here / "local_outputs" / GOOD / "run.json")
    real = os.access
    monkeypatch.setattr(os, "access", lambda path, mode: path != refused and real(path, mode))
    assert [run["run_id"] for run in tmgg_jobs("list", "--json").json["runs"]] == [BAD, DIVERGING]


def test_a_runner_of_the_api_sees_the_same(here: Path, tmgg_jobs: Jobs) -> None:
    runner = LocalRunner(LocalConfig())
    listed = tmgg_jobs("list", "--json").json["runs"]
    for run in listed:
        assert runner.get_status(run["run_id"]) == run["status"]


def test_the_runs_of_a_sweep_by_its_name_a_part_of_its_id_and_last(
    empty: Path, tmgg_jobs: Jobs
) -> None:
    runner = LocalRunner()
    sweep = runner.spawn_sweep([task("good", seed=seed) for seed in (1, 2)], name="zoo")
    for run_id in sweep.run_ids:
        runner.get_result(run_id)
    LocalRunner().run_experiment(task("good"), run_id="alone")
    for name in ("zoo", sweep.sweep_id, sweep.sweep_id.rpartition("-")[2]):
        listed = tmgg_jobs("list", "--sweep", name, "--json").json["runs"]
        assert sorted(run["run_id"] for run in listed) == sweep.run_ids
    absent = tmgg_jobs("list", "--sweep", "nothere")
    assert (absent.code, absent.out) == (3, "")
    assert "no run begins with 'nothere'" in absent.err


def test_a_folder_that_is_not_there_is_said(empty: Path, tmgg_jobs: Jobs) -> None:
    for command in ("list", "gc"):
        told = tmgg_jobs(command, "--folder", "nope")
        assert told.code == 3
        assert "nope: this folder does not exist" in told.err


def test_what_the_encoding_of_a_pipe_lacks_is_written_out(
    here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for encoding in ("ascii", "latin-1"):
        raw = io.BytesIO()
        monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(raw, encoding=encoding))
        put("the loss is \u221e")
        put_columns([Column(name="lr", cells=["\u03b1"])])
        sys.stdout.flush()
        assert raw.getvalue() == b"the loss is \\u221e\nlr\n\\u03b1\n"
