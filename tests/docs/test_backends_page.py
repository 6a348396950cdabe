"""The examples of docs/backends.md run as they stand there."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.docs.examples import Command, WriteFile, parse_examples

SCHEDULER = """
import json, os, signal, subprocess
from pathlib import Path
from tmgg.experiment_utils.cloud.local.runner import view_process
from tmgg.experiment_utils.files.process_names import process_name

JOBS = Path(__file__).with_name("jobs")

def submit(job_id, command, queue):
    process = subprocess.Popen(command, start_new_session=True)
    JOBS.mkdir(exist_ok=True)
    (JOBS / job_id).write_text(process_name(process.pid))

def phases(job_ids):
    known = [each for each in job_ids if (JOBS / each).exists()]
    return {each: view_process((JOBS / each).read_text()).phase for each in known}

def cancel(job_ids):
    for each in job_ids:
        os.kill(int((JOBS / each).read_text().partition(".")[0]), signal.SIGTERM)
"""
TESTS = """
import pytest
from tmgg.experiment_utils.cloud.factory import BACKENDS
from tmgg.testing import BackendUnderTest, CloudRunnerSuite

BACKENDS["mine"] = "my_package.my_runner:make_runner"


class TestMine(CloudRunnerSuite):
    @pytest.fixture(scope="class")
    @classmethod
    def backend(cls, tmp_path_factory):
        return BackendUnderTest("mine", {"output_dir": str(tmp_path_factory.mktemp("runs"))})
"""
PAGE = Path(__file__).parents[2] / "docs" / "backends.md"


def files_of(folder: str) -> list[WriteFile]:
    return [
        step
        for step in parse_examples(PAGE)
        if isinstance(step, WriteFile) and step.name.startswith(folder)
    ]


@pytest.mark.parametrize("entry", ["tmgg.experiment_utils.supervisor.entry", "my_package.my_entry"])
def test_the_backend_of_the_page_passes_the_tests_of_a_run(tmp_path: Path, entry: str) -> None:
    (tmp_path / "my_package").mkdir()
    runner, own_entry = files_of("my_package/")
    assert 'ENTRY = "tmgg.experiment_utils.supervisor.entry"' in runner.text
    changed = runner.text.replace("tmgg.experiment_utils.supervisor.entry", entry)
    (tmp_path / runner.name).write_text(changed)
    (tmp_path / own_entry.name).write_text(own_entry.text)
    (tmp_path / "my_scheduler.py").write_text(SCHEDULER)
    (tmp_path / "test_mine.py").write_text(TESTS)
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "test_mine.py", "-q", "-k", "goes or job or running"],
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": str(tmp_path)},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert "4 passed" in done.stdout, done.stdout


def test_the_suite_is_subclassed_as_the_page_says(tmp_path: Path) -> None:
    (file,) = [
        step
        for step in parse_examples(PAGE)
        if isinstance(step, WriteFile) and step.name == "test_mine.py"
    ]
    assert Command(("pytest", "test_mine.py")) in parse_examples(PAGE)
    (tmp_path / file.name).write_text(file.text)
    done = subprocess.run(
        [sys.executable, "-m", "pytest", file.name, "-q", "-k", "nobody or thrown_away"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert "5 passed" in done.stdout, done.stdout
