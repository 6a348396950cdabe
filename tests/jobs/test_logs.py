"""`tmgg-jobs logs`: what the job printed, and how it goes on."""

import threading
import time
from pathlib import Path

import pytest

from tests.fakes.slurm.fake import FakeSlurm
from tests.jobs.conftest import BAD, GOOD, Jobs, submit
from tmgg.cli.following import ForPeople, LogReader
from tmgg.experiment_utils.cloud.slurm.config import SlurmConfig
from tmgg.experiment_utils.cloud.slurm.runner import SlurmRunner
from tmgg.experiment_utils.run_folder.paths import RunPaths


def test_stdout_is_printed_as_it_is(here: Path, tmgg_jobs: Jobs) -> None:
    log = (here / "local_outputs" / f"{GOOD}.out").read_text()
    told, _, for_programs = log.partition("\nTMGG_RESULT:")
    assert for_programs.count("\n") == 1
    assert tmgg_jobs("logs", GOOD).out == told
    assert "\nline one\nline two\n" in told


def test_stderr_on_request(here: Path, tmgg_jobs: Jobs) -> None:
    assert "ValueError: boom" in tmgg_jobs("logs", BAD, "--stderr").out


@pytest.mark.parametrize(
    ("content", "lines", "expected"),
    [
        ("a\nb\nc\n", 2, "b\nc\n"),
        ("a\nb\n\nTMGG_RESULT:{}\n", 1, "b\n"),
        ("a\n\nTMGG_RESULT:{}\nb\n\nTMGG_RESULT:{}\n", 2, "a\nb\n"),
        ("a\nb\nc", 2, "b\nc"),
        ("a\nb\nc\n", 9, "a\nb\nc\n"),
        ("a\nb\nc\n", 0, ""),
        ("\n\n\n", 1, "\n"),
        ("", 5, ""),
    ],
)
def test_the_last_lines_on_request(
    here: Path, tmgg_jobs: Jobs, content: str, lines: int, expected: str
) -> None:
    (here / "local_outputs" / f"{GOOD}.out").write_text(content)
    assert tmgg_jobs("logs", GOOD, "-n", str(lines)).out == expected


def test_a_failed_run_has_the_end_of_its_stderr_below(here: Path, tmgg_jobs: Jobs) -> None:
    shown = tmgg_jobs("logs", BAD)
    assert "ValueError: boom" in shown.out
    assert "TMGG_RESULT" not in shown.out
    assert "the end of its standard error" in shown.err


def test_a_log_that_is_not_there_though_the_run_has_ended(here: Path, tmgg_jobs: Jobs) -> None:
    (here / "local_outputs" / f"{GOOD}.err").unlink()
    shown = tmgg_jobs("logs", GOOD, "--stderr")
    assert "is not there: the run ended before its job began, or somebody removed" in shown.err


def test_what_is_for_programs_is_left_out_however_the_log_is_cut() -> None:
    log = b"a\n\nTMGG_RESULT:{1}\nb\n\n\nTMGG_RESUL\nT\n\nTMGG_RESULT:{2}\n"
    for size in range(1, len(log)):
        people = ForPeople()
        parts = [people.take(log[at : at + size]) for at in range(0, len(log), size)]
        assert b"".join(parts) + people.rest() == b"a\nb\n\n\nTMGG_RESUL\nT\n", size


def test_a_job_that_has_not_begun_has_no_log(
    empty: Path, tmgg_jobs: Jobs, slurm: FakeSlurm
) -> None:
    submit("run-1")
    shown = tmgg_jobs("logs", "run-1")
    assert (shown.code, shown.out) == (0, "")
    assert "the job has not begun" in shown.err


def test_a_rank_has_a_log_of_its_own(empty: Path, tmgg_jobs: Jobs, slurm: FakeSlurm) -> None:
    runner = SlurmRunner(SlurmConfig(nodes=2, tasks_per_node=2))
    runner.spawn_experiment({"experiment": {"_target_": "math:sqrt"}}, run_id="ranked")
    folder = RunPaths(runner.output_dir, "ranked").submission(1).ranks / "3"
    assert f"{folder / 'log'} is not there yet" in tmgg_jobs("logs", "ranked", "--rank", "3").err
    folder.mkdir(parents=True)
    (folder / "log").write_text("rank 3 prints\n")
    (empty / "slurm_outputs" / "ranked.out").write_text("rank 0 prints\n")

    assert tmgg_jobs("logs", "ranked", "--rank", "3").out == "rank 3 prints\n"
    assert tmgg_jobs("logs", "ranked", "--rank", "0").out == "rank 0 prints\n"
    refused = tmgg_jobs("logs", "ranked", "--rank", "4")
    assert refused.code == 2
    assert "run ranked has the ranks 0 to 3, not 4" in refused.err


def test_a_run_of_one_process_has_no_rank(here: Path, tmgg_jobs: Jobs) -> None:
    refused = tmgg_jobs("logs", GOOD, "--rank", "1")
    assert refused.code == 2
    assert "is one process, without ranks; leave --rank out" in refused.err


@pytest.mark.parametrize(("run_id", "code"), [(GOOD, 0), (BAD, 1)])
def test_following_a_run_that_ended_ends_with_its_outcome(
    here: Path, tmgg_jobs: Jobs, run_id: str, code: int
) -> None:
    followed = tmgg_jobs("logs", run_id, "--follow")
    assert followed.code == code
    assert f"run {run_id} {'failed' if code else 'completed'}" in followed.err


def test_following_prints_what_comes_until_the_end(
    empty: Path, tmgg_jobs: Jobs, slurm: FakeSlurm
) -> None:
    job = submit("run-1")
    begin = threading.Timer(0.3, lambda: slurm.run(job))
    begin.start()
    started = time.monotonic()
    followed = tmgg_jobs("logs", "run-1", "-f")
    begin.join()
    assert "line one\nline two\n" in followed.out
    assert "TMGG_RESULT:" not in followed.out
    assert followed.code == 0
    assert time.monotonic() - started < 20


def test_a_log_that_begins_anew_is_read_from_its_start(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    log = tmp_path / "a.out"
    log.write_text("a long first attempt\n")
    reader = LogReader(log)
    reader.copy()
    log.write_text("second\n")
    reader.copy()
    assert capfd.readouterr().out == "a long first attempt\nsecond\n"


def test_bytes_that_are_no_text_pass(here: Path, tmgg_jobs: Jobs) -> None:
    paths = RunPaths(here / "local_outputs", GOOD)
    paths.stdout.write_bytes(b"\xff\xfe\n")
    assert tmgg_jobs("logs", GOOD).out == "��\n"
