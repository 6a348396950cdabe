"""The words for an experiment that said itself why it failed."""

import pytest

from tmgg.experiment_utils.cloud.judging.diagnosis import LogTails, diagnose_exit, diagnose_output
from tmgg.experiment_utils.job.job_exit_codes import NO_RAY
from tmgg.experiment_utils.ray_cluster.task_ends import TaskEnd
from tmgg.experiment_utils.run_folder.exit_record import ExitRecord
from tmgg.experiment_utils.run_folder.failures import HINTS, HintName
from tmgg.experiment_utils.run_folder.task import TaskOutput

PROGRESS = "\rEpoch 1:  45%|####   | 45/100 [00:10<00:12,  4.5it/s]"


@pytest.mark.parametrize(
    ("stage", "first"),
    [
        ("load", "The experiment could not be loaded: ModuleNotFoundError: No module named 'x'"),
        ("run", "The experiment raised ModuleNotFoundError: No module named 'x'"),
        ("ray", "The experiment could not reach Ray: ModuleNotFoundError: No module named 'x'"),
    ],
)
def test_an_import_that_fails_is_reported_where_it_failed(stage: str, first: str) -> None:
    output = TaskOutput(
        run_id="r", status="failed", stage=stage, error_type="ModuleNotFoundError",
        error_message="No module named 'x'",
    )  # fmt: skip
    assert diagnose_output(output).message.splitlines()[0] == first


def test_an_error_without_words_is_its_class() -> None:
    output = TaskOutput(run_id="r", status="failed", error_type="MemoryError", error_message="")
    assert diagnose_output(output).message.splitlines() == [
        "The experiment raised MemoryError", "MemoryError",
    ]  # fmt: skip


@pytest.mark.parametrize("before", ["", "\n", PROGRESS, "a line\n" + PROGRESS])
@pytest.mark.parametrize(
    ("words", "kind"),
    [
        ("slurmstepd-n1: error: *** JOB 12 ON n1 CANCELLED AT x DUE TO TIME LIMIT ***", "timeout"),
        ("[2026-11-28T13:31:31.007] error: *** JOB 1 ON n1 CANCELLED AT x DUE TO PREEMPTION ***",
         "preempted"),
        ("slurmstepd-n1: error: *** JOB 12 ON n1 CANCELLED AT x ***", "cancelled"),
        ("tmgg: cannot write to /out/run/1", "environment"),
        ("tmgg: Ray is not installed for /env/bin/python", "environment"),
        ("tmgg: n2: Ray's raylet was killed", "node_fail"),
    ],
)  # fmt: skip
def test_words_behind_a_progress_bar_tell_why_a_job_ended(
    before: str, words: str, kind: str
) -> None:
    record = ExitRecord(
        job_id="1",
        restart=0,
        stage="entrypoint",
        signal="TERM",
        exit_code=143,
        entrypoint_exit_code=None,
        age_s=1.0,
    )
    assert diagnose_exit(record, None, "", LogTails(stderr=f"{before}{words}\n")).kind == kind


@pytest.mark.parametrize(
    ("stage", "before", "cause"),
    [
        ("preflight", "tmgg: ", "Ray is not installed for /env/bin/python. Install it: pip"),
        ("ray", "tmgg: Ray did not start: n2: ", "Ray is not installed for /env/python. So."),
        ("ray", "tmgg: Ray did not start: n2: ", "Ray 2.49.0 is too old: its symmetric-run"),
        ("ray", "", "Ray is not installed in the job's environment, or too old."),
    ],
)
def test_a_job_without_ray_has_one_kind_and_begins_with_the_cause(
    stage: str, before: str, cause: str
) -> None:
    record = ExitRecord(
        job_id="1",
        restart=0,
        stage=stage,
        signal="",
        exit_code=NO_RAY,
        entrypoint_exit_code=None,
        age_s=1.0,
    )
    logs = LogTails(stderr=f"a line\n{before}{cause}\n" if before else "a line\n")

    found = diagnose_exit(record, "72:0", "FAILED", logs)

    first, *rest = found.message.splitlines()
    assert found.kind == "environment"
    assert found.hint == HINTS["no_ray"]
    assert first == cause
    assert "exit code 72" in rest[0]


def test_an_experiment_that_ends_like_a_job_without_ray_failed_by_itself() -> None:
    record = ExitRecord(
        job_id="1",
        restart=0,
        stage="entrypoint",
        signal="",
        exit_code=NO_RAY,
        entrypoint_exit_code=None,
        age_s=1.0,
    )

    assert diagnose_exit(record, "72:0", "FAILED", LogTails()).kind == "user_error"


@pytest.mark.parametrize(
    ("code", "end", "hint"),
    [
        ("1", 137, "child_died"),
        ("-11", 137, "child_died"),
        ("-9", 137, "killed"),
        (None, 137, "killed"),
        ("1", 1, "user_error"),
    ],
)
def test_a_kill_by_lightning_for_a_dead_process_is_not_ascribed_to_others(
    code: str | None, end: int, hint: HintName
) -> None:
    said = (
        f"[rank: 1] Child process with PID 2010 terminated with code {code}."
        " Forcefully terminating all other processes to avoid zombies"
    )
    record = ExitRecord(
        job_id="1",
        restart=0,
        stage="entrypoint",
        signal="",
        exit_code=end,
        entrypoint_exit_code=None,
        age_s=1.0,
    )

    found = diagnose_exit(record, None, "FAILED", LogTails(stderr=said if code else ""))

    assert (found.kind, found.hint) == ("user_error", HINTS[hint])


@pytest.mark.parametrize(
    ("how", "kind", "hint"),
    [
        ("Exited with exit code 75", "environment", "absent_node"),
        ("Killed", "node_fail", "ray_killed"),
    ],
)
def test_a_node_on_which_the_supervisor_of_ray_ended_at_once(
    how: str, kind: str, hint: HintName
) -> None:
    record = ExitRecord(
        job_id="1",
        restart=0,
        stage="ray",
        signal="",
        exit_code=75,
        entrypoint_exit_code=None,
        age_s=1.0,
    )
    words = "tmgg: node2: cannot read /out/run/1/ray_token: No such file or directory."
    end = f"node2: {TaskEnd(1, 'node2', how).words}"
    logs = LogTails(stderr=f"{words}\ntmgg: Ray did not start: {end}\n")

    found = diagnose_exit(record, "75:0", "FAILED", logs)

    assert (found.kind, found.hint) == (kind, HINTS[hint])
    assert words in found.message
