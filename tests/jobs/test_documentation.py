"""docs/jobs.md says what is so: keys, commands, exit codes."""

import re
import time
from pathlib import Path

import pytest

from tests.jobs.test_list import RUN_KEYS
from tests.jobs.test_show import SHOW_KEYS
from tmgg.cli.explaining import explain_run
from tmgg.cli.jobs import _COMMANDS
from tmgg.cli.list_columns import run_columns
from tmgg.console import exit_codes
from tmgg.console.tables import put_columns
from tmgg.experiment_utils.cloud.runs import RunState
from tmgg.experiment_utils.cloud.runs_on_record.known_run import KnownRun
from tmgg.experiment_utils.run_folder.failures import failure
from tmgg.experiment_utils.run_folder.paths import RunPaths
from tmgg.experiment_utils.run_folder.registry import RunRecord

TEXT = (Path(__file__).parents[2] / "docs" / "jobs.md").read_text()


def test_every_exit_code_is_documented_in_its_own_words() -> None:
    for code, words in exit_codes.MEANINGS.items():
        assert f"| {code} | {words} |" in TEXT


@pytest.mark.parametrize("command", _COMMANDS)
def test_every_command_is_documented(command: str) -> None:
    assert f"| `tmgg-jobs {command}" in TEXT


def test_every_key_of_a_run_is_documented() -> None:
    documented = set(re.findall(r"`([a-z_]+)`", TEXT))
    assert documented >= RUN_KEYS | SHOW_KEYS


HOUR, MINUTE = 3600, 60
RUNS = [
    (3 * HOUR, RunState(run_id="20261123-091502-4be1c0de", status="completed", final=True,
                        job_id="814233")),
    (58 * MINUTE, RunState(
        run_id="20261123-110447-90ab77f1", status="failed", final=True, job_id="814390",
        failure=failure("out_of_memory", "The backend says OUT_OF_MEMORY (OutOfMemory)."))),
    (13 * MINUTE, RunState(run_id="20261123-115012-c3d2e1f0", status="running", final=False,
                           job_id="814412", nodes="node[3-6]")),
    (MINUTE, RunState(
        run_id="20261123-120155-0f9e8d7c", status="pending", final=False, job_id="814420",
        backend_state="PENDING", reason="Priority", estimated_start="2026-11-23T16:40:00")),
]  # fmt: skip


def known(age_s: float, state: RunState, folder: Path) -> tuple[KnownRun, RunState]:
    made_at = time.time() - age_s - 1
    record = RunRecord(
        run_id=state.run_id, backend="slurm", base_dir="/", settings={}, created_at=made_at
    )
    return KnownRun(RunPaths(folder, state.run_id), record), state


def test_the_list_of_runs_is_what_is_printed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    put_columns(run_columns([known(age_s, state, tmp_path) for age_s, state in RUNS]))
    assert f"$ tmgg-jobs list --runs\n{capsys.readouterr().out}\n" in TEXT


def test_the_explanation_of_a_run_that_waits_is_what_is_reported(tmp_path: Path) -> None:
    told = explain_run(*known(*RUNS[-1], tmp_path))
    (reason,) = told["reasons"]
    lines = [
        told["summary"], "", f"{reason['reason']}: {reason['words']}", f"  {reason['advice']}", "",
        f"Slurm expects it to start at {told['estimated_start']}.",
    ]  # fmt: skip
    shown = "\n".join(lines)
    assert f"$ tmgg-jobs explain 20261123-1201\n{shown}\n```" in TEXT, shown
