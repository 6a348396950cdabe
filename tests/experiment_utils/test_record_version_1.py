"""Records as version 1 wrote them are read by today's code, and described as they are."""

import dataclasses
import json
import math
import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.fakes.slurm.fake import FakeSlurm
from tmgg.experiment_utils.cloud import SlurmConfig, SlurmRunner
from tmgg.experiment_utils.run_folder.exit_record import read_exit_record
from tmgg.experiment_utils.run_folder.paths import BatchPaths, RunPaths, SubmissionPaths, SweepPaths
from tmgg.experiment_utils.run_folder.phases import PHASE_WORDS, parse_phases
from tmgg.experiment_utils.run_folder.registry import (
    Intent,
    RunRecord,
    load_intent,
    load_run,
    load_task,
)
from tmgg.experiment_utils.run_folder.task import TaskInput, TaskOutput

GOLDEN = Path(__file__).parent / "record_version_1"
DOCUMENT = Path(__file__).parents[2] / "docs" / "records.md"


@pytest.fixture
def runner(slurm: FakeSlurm, folder: Path) -> SlurmRunner:
    """Made for a copy, so that reading leaves no trace in the original."""
    shutil.copytree(GOLDEN, folder / "records")
    return SlurmRunner(SlurmConfig(output_dir="records"))


def submission(runner: SlurmRunner, run_id: str, number: int = 1) -> SubmissionPaths:
    return RunPaths(runner.output_dir, run_id).submission(number)


def test_a_completed_run(runner: SlurmRunner, slurm: FakeSlurm) -> None:
    result = runner.get_result("completed")
    assert (result.status, result.failure, result.attempts) == ("completed", None, 1)
    assert result.metrics["val_loss"] == 0.123
    assert math.isnan(result.metrics["nan"])
    assert (result.job_id, result.checkpoint_path) == ("1001", "output/last.ckpt")
    assert result.config == {"experiment": {"_target_": "lab:good"}, "learning_rate": 0.1}
    assert slurm.calls() == []


def test_a_run_that_failed_twice(runner: SlurmRunner, slurm: FakeSlurm) -> None:
    result = runner.get_result("failed")
    assert (result.status, result.attempts, result.job_id) == ("failed", 2, "1003")
    assert result.failure is not None
    assert result.failure.kind == "user_error"
    assert "the loss is purple" in result.failure.message
    assert slurm.calls() == []


def test_a_run_that_ended_and_was_never_judged(runner: SlurmRunner, slurm: FakeSlurm) -> None:
    assert runner.get_result("unjudged").metrics["val_loss"] == 0.123


def test_a_run_that_waited_then_and_waits_now(runner: SlurmRunner, slurm: FakeSlurm) -> None:
    job_id = json.loads(submission(runner, "pending").job.read_text())["job_id"]
    slurm.configure(next_id=int(job_id))
    slurm.add_job(state="PENDING")
    assert runner.get_status("pending") == "pending"


def test_a_run_that_has_been_missing_ever_since_is_lost(
    runner: SlurmRunner, slurm: FakeSlurm
) -> None:
    result = runner.get_result("missing")
    assert result.failure is not None
    assert result.failure.kind == "lost"


def test_an_old_failed_run_can_be_retried(
    runner: SlurmRunner, slurm: FakeSlurm, folder: Path
) -> None:
    record = submission(runner, "failed").run_paths.run
    record.write_text(
        record.read_text().replace("/home/alice/project", str(folder).replace('"', '\\"'))
    )
    runner.retry("failed")
    assert slurm.only_job["options"]["partition"] == "batch"
    assert runner.get_status("failed") == "pending"


def test_the_parts_of_a_record(runner: SlurmRunner) -> None:
    paths = submission(runner, "completed")
    record = load_run(paths.run_paths)
    assert (record.user, record.host, record.backend) == ("alice", "login1", "slurm")
    assert SlurmConfig.from_mapping(record.settings).ray_bootstrap == "none"
    assert load_task(paths.run_paths).target == "lab:good"
    assert len(load_intent(paths).token) == 32
    exit_record = read_exit_record(paths)
    assert exit_record is not None
    assert (exit_record.stage, exit_record.exit_code) == ("entrypoint", 0)
    names = [phase.name for phase in parse_phases(paths.phases.read_text())]
    assert names == [
        "batch_start", "environment_ready", "entrypoint_start", "entrypoint_end", "batch_end",
    ]  # fmt: skip


def section(title: str) -> str:
    text = DOCUMENT.read_text()
    found = re.search(rf"^## {re.escape(title)}.*?(?=^## |\Z)", text, re.MULTILINE | re.DOTALL)
    assert found, f"docs/records.md has no section {title!r}"
    return found[0]


def written_keys(pattern: str) -> set[str]:
    """The keys of all files of a kind in the golden records."""
    keys: set[str] = set()
    for path in GOLDEN.rglob(pattern):
        keys |= set(json.loads(path.read_text()))
    return keys - {"version"}


def described() -> Iterator[tuple[str, set[str]]]:
    for title, cls in {
        "run.json": RunRecord,
        "task.json": TaskInput,
        "intent.json": Intent,
        "result.json": TaskOutput,
    }.items():
        yield title, {item.name for item in dataclasses.fields(cls)}
    for title in ("job.json", "verdict.json"):
        yield title, written_keys(title)
    yield ".ended/<run_id>.<n>.json", written_keys(".ended/*.json")
    yield "missing.json", written_keys("missing.json") | {"host", "at", "why"}
    yield "phases", set(PHASE_WORDS)


@pytest.mark.parametrize(
    ("title", "keys"), [pytest.param(*item, id=item[0]) for item in described()]
)
def test_every_field_is_described(title: str, keys: set[str]) -> None:
    words = set(re.findall(r"`([a-z_]+)`", section(title)))
    assert keys
    assert keys <= words


def test_every_file_of_a_run_is_in_the_documents_tree() -> None:
    tree = DOCUMENT.read_text().partition("## Rules")[0]
    paths = RunPaths(Path("/o"), "r").submission(1)
    batch, sweep = BatchPaths(Path("/o"), "<batch_id>"), SweepPaths(Path("/o"), "<sweep_id>")
    for item in (paths.run_paths, paths, batch, sweep):
        kinds = [pair for cls in type(item).__mro__ for pair in vars(cls).items()]
        for name in (name for name, value in kinds if isinstance(value, property)):
            path = getattr(item, name)
            if not isinstance(path, Path):
                continue
            shown = path.name.replace("r.1.json", "<run_id>.<n>.json")
            shown = {"r": "<run_id>/", "1": "<n>/", "logs": "logs/"}.get(shown, shown)
            shown = re.sub(r"^r\.", "<run_id>.", shown)
            assert shown in tree, f"{name} is not in the tree of docs/records.md"
