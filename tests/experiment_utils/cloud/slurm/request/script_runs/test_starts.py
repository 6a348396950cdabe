"""Which starts of a job run the experiment: duplicates, requeued jobs and cancelled ones do not."""

from pathlib import Path

import pytest

from tests.experiment_utils.cloud.slurm.request.script_runs.conftest import (
    FAILURE,
    exit_record,
    phases,
    render,
)
from tests.fakes.job_commands import SUCCESS, JobCommands, without_mark
from tmgg.experiment_utils.cloud.judging.diagnosis import LogTails, diagnose_exit
from tmgg.experiment_utils.run_folder.attempt_log import last_attempt, render_mark
from tmgg.experiment_utils.run_folder.ownership import forbid, is_forbidden
from tmgg.experiment_utils.run_folder.paths import SubmissionPaths


def test_a_duplicate_ends_unused_and_leaves_the_owners_files_alone(
    base: Path, paths: SubmissionPaths, tmp_path: Path
) -> None:
    commands = JobCommands.install(tmp_path / "bin")
    paths.owner.write_text("76\n")
    paths.result.write_text("{}")
    done = commands.run(render(paths), base)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == "tmgg: job 77 is not needed, this submission belongs to 76\n"
    assert commands.calls() == []
    assert not paths.ended.exists()
    assert not paths.phases.exists()
    assert paths.owner.read_text() == "76\n"
    assert paths.result.exists()


def test_a_run_whose_end_was_reported_is_not_run_again_when_the_job_is_requeued(
    base: Path, paths: SubmissionPaths, tmp_path: Path
) -> None:
    commands = JobCommands.install(tmp_path / "bin", experiment="exit 9")
    commands.run(render(paths), base)
    paths.verdict.write_text("{}")
    calls = commands.calls()
    done = commands.run(render(paths), base, SLURM_RESTART_COUNT="1")
    assert (done.returncode, done.stderr) == (0, "")
    assert "the end of this run was reported before" in done.stdout
    assert commands.calls() == calls


def test_each_start_marks_its_part_of_both_logs(
    base: Path, paths: SubmissionPaths, tmp_path: Path
) -> None:
    commands = JobCommands.install(tmp_path / "bin", experiment="echo new >&2; exit 9")
    with commands.start(render(paths), base, SLURM_RESTART_COUNT="2") as job:
        logs = job.communicate(timeout=150)
    mark = render_mark(1, restart=2, job_id="77", host="node1")
    for text in logs:
        assert text.startswith(f"{mark}\n")
    assert "new" in last_attempt(f"old\n{logs[1]}", submission="1", restart=2)
    assert "old" not in last_attempt(f"old\n{logs[1]}", submission="1", restart=2)
    assert last_attempt(logs[1], submission="2", restart=0) == ""
    assert last_attempt("no mark at all", submission="2", restart=0) == "no mark at all"


@pytest.mark.parametrize(("left", "between"), [("", ""), ("a line\n", ""), ("45%|###", "\n")])
def test_the_mark_of_a_start_has_a_line_of_its_own(
    base: Path, paths: SubmissionPaths, tmp_path: Path, left: str, between: str
) -> None:
    commands = JobCommands.install(tmp_path / "bin")
    logs = (paths.run_paths.stdout, paths.run_paths.stderr)
    for log in logs:
        log.write_text(left)
    with (
        logs[0].open("a") as out,
        logs[1].open("a") as error,
        commands.start_into((out, error), render(paths), base) as job,
    ):
        assert job.wait(timeout=150) == 0
    mark = render_mark(1, restart=0, job_id="77", host="node1")
    for log in logs:
        assert log.read_text().startswith(f"{left}{between}{mark}\n")


def test_of_many_duplicates_at_once_exactly_one_runs(
    base: Path, paths: SubmissionPaths, tmp_path: Path
) -> None:
    commands = JobCommands.install(tmp_path / "bin")
    script = render(paths)
    jobs = [commands.start(script, base, SLURM_JOB_ID=str(number)) for number in range(70, 78)]
    said = {}
    for number, job in enumerate(jobs, 70):
        with job:
            out, _error = job.communicate(timeout=150)
        said[str(number)] = (job.returncode, without_mark(out))
    owner = paths.owner.read_text().strip()
    assert said.pop(owner) == (0, "")
    assert said == {
        job: (0, f"tmgg: job {job} is not needed, this submission belongs to {owner}\n")
        for job in said
    }
    assert len(commands.calls()) == 2
    assert exit_record(paths).job_id == owner


def test_a_job_cancelled_before_it_begins_does_nothing_and_says_so(
    base: Path, paths: SubmissionPaths, tmp_path: Path
) -> None:
    commands = JobCommands.install(tmp_path / "bin")
    paths.cancel.write_text("{}")
    done = commands.run(render(paths), base)
    assert (done.returncode, done.stderr) == (0, "")
    assert "cancelled before it began" in done.stdout
    assert commands.calls() == []
    assert exit_record(paths).stage == "cancelled"


def test_a_restart_sets_aside_what_the_earlier_start_left(
    base: Path, paths: SubmissionPaths, tmp_path: Path
) -> None:
    commands = JobCommands.install(tmp_path / "bin", experiment="exit 9")
    commands.run(render(paths), base)
    assert exit_record(paths).restart == 0
    _end_by_signal(paths)
    paths.result.write_text('"first"')
    paths.entrypoint_exit_code.write_text("0\n")
    paths.stop.touch()
    paths.missing.write_text("{}")

    gone = '! -e "$last/result.json" -a ! -e "$last/stop" -a ! -e "$last/missing.json"'
    check = f"test {gone} || exit 5; {SUCCESS}"
    commands = JobCommands.install(tmp_path / "bin", experiment=check)
    done = commands.run(render(paths), base, SLURM_RESTART_COUNT="1")
    assert (done.returncode, done.stderr) == (0, "")
    assert exit_record(paths).restart == 1
    aside = [path.name for path in paths.folder.glob("*.before-restart-*")]
    assert sorted(aside) == [
        "entrypoint_exit_code.before-restart-1",
        "phases.before-restart-1",
        "result.json.before-restart-1",
    ]
    assert (paths.folder / "result.json.before-restart-1").read_text() == '"first"'
    assert phases(paths)[0] == "batch_start"


def test_a_later_start_that_cannot_write_into_the_folder_reports_that_as_its_own_end(
    base: Path, paths: SubmissionPaths, tmp_path: Path
) -> None:
    commands = JobCommands.install(tmp_path / "bin", experiment="exit 9")
    commands.run(render(paths), base)
    _end_by_signal(paths)
    paths.entrypoint_exit_code.write_text("0\n")
    _keep_from_writing(paths.folder / ".owner.77", paths.folder / ".restart.tmp")

    with commands.start(render(paths), base, SLURM_RESTART_COUNT="1") as job:
        _out, said = job.communicate(timeout=150)

    mark = render_mark(1, restart=1, job_id="77", host="node1")
    assert said == f"{mark}\ntmgg: cannot write to {paths.folder} (Is a directory)\n"
    record = exit_record(paths)
    assert (record.restart, record.stage, record.exit_code) == (1, "begin", 74)
    assert record.entrypoint_exit_code is None
    found = diagnose_exit(record, None, "", LogTails(stderr=said))
    assert found.kind == "environment"
    assert found.message.startswith("The job ended before it could begin the run (exit code 74).")


def test_a_duplicate_that_cannot_write_into_the_folder_ends_unused(
    base: Path, paths: SubmissionPaths, tmp_path: Path
) -> None:
    commands = JobCommands.install(tmp_path / "bin")
    script = render(paths)
    paths.owner.write_text("76\n")
    _keep_from_writing(paths.folder / ".owner.77")

    done = commands.run(script, base)

    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == "tmgg: job 77 is not needed, this submission belongs to 76\n"


def test_a_start_that_goes_on_after_a_later_one_began_says_nothing_in_its_folder(
    base: Path, paths: SubmissionPaths, tmp_path: Path
) -> None:
    later = 'echo 1 > "$last/restart"; exit 77'
    commands = JobCommands.install(tmp_path / "bin", experiment=later)
    done = commands.run(render(paths), base)
    assert done.returncode == 77
    assert not paths.ended.exists()
    assert "batch_end" not in phases(paths)


@pytest.mark.parametrize(("experiment", "code"), [(SUCCESS, 0), (FAILURE, 1)])
def test_a_run_that_ended_by_itself_is_not_run_again_when_the_job_is_requeued(
    base: Path, paths: SubmissionPaths, tmp_path: Path, experiment: str, code: int
) -> None:
    commands = JobCommands.install(tmp_path / "bin", experiment=experiment)
    script = render(paths)
    commands.run(script, base)
    before = {path: path.read_bytes() for path in (paths.ended, paths.phases)}
    calls = commands.calls()
    done = commands.run(script, base, SLURM_RESTART_COUNT="1")
    assert (done.returncode, done.stderr) == (code, "")
    assert done.stdout == "tmgg: this run has ended; tmgg-jobs retry runs a failed one again\n"
    assert commands.calls() == calls
    assert {path: path.read_bytes() for path in (paths.ended, paths.phases)} == before


def test_a_submission_that_was_given_up_belongs_to_nobody(
    base: Path, paths: SubmissionPaths, tmp_path: Path
) -> None:
    commands = JobCommands.install(tmp_path / "bin")
    assert forbid(paths) is None
    done = commands.run(render(paths), base)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == "tmgg: job 77 is not needed, this submission belongs to nobody\n"
    assert commands.calls() == []
    assert not paths.ended.exists()
    assert is_forbidden(paths)


def test_a_job_that_began_cannot_be_forbidden_any_more(
    base: Path, paths: SubmissionPaths, tmp_path: Path
) -> None:
    JobCommands.install(tmp_path / "bin").run(render(paths), base)
    assert forbid(paths) == "77"
    assert not is_forbidden(paths)


def _keep_from_writing(*files: Path) -> None:
    """Let the job fail to write these files, also where the superuser runs the tests."""
    for file in files:
        file.mkdir()


def _end_by_signal(paths: SubmissionPaths) -> None:
    paths.ended.write_text(paths.ended.read_text().replace('"signal": ""', '"signal": "TERM"'))
