"""The suite fails for a backend that breaks the contract; each fault has a test that finds it."""

import re
import subprocess
import sys
from pathlib import Path

FAULTS = {
    "IgnoresParallelism": "test_no_more_runs_than_allowed_are_under_way",
    "CancelsWhatHasEnded": "test_a_run_that_has_ended_cannot_be_cancelled",
    "ShufflesResults": "test_a_sweep_has_one_result_for_each_config_in_order",
    "LosesOddNumbers": "test_numbers_that_are_none_come_back",
    "CallsEverythingLost": "test_an_experiment_that_raises_is_a_user_error_with_its_traceback",
    "ForgetsTheConfig": "test_a_run_goes_from_spawn_to_its_result",
    "KeepsRunsInMemory": "test_a_runner_may_be_thrown_away_and_made_again",
    "ClaimsByAnotherName": "test_a_job_claims_its_run_by_the_id_that_the_backend_gave_it",
    "ForgetsJobsThatRun": "test_a_run_that_goes_on_for_longer_than_the_grace_stays_running",
    "CancelsNoJob": "test_a_job_ends_when_the_backend_is_asked_to_end_it",
    "KnowsEveryRun": "test_a_run_that_nobody_asked_for_is_unknown[get_status]",
}
FAULTY = """
import dataclasses, sys, time
import pytest
from tmgg.errors import UnknownRunError
from tmgg.experiment_utils.cloud import LocalConfig, LocalRunner
from tmgg.experiment_utils.cloud.factory import BACKENDS
from tmgg.experiment_utils.cloud.judging.verdict import JobView
from tmgg.experiment_utils.cloud.local.runner import view_process
from tmgg.experiment_utils.run_folder.failures import failure
from tmgg.experiment_utils.run_folder.registry import note_job
from tmgg.testing import BackendUnderTest, CloudRunnerSuite, sweeps

# All must be under way together for the fault to show, however busy the machine is.
sweeps.HOLD_S = 5.0

class IgnoresParallelism(LocalRunner):
    def run_sweep(self, configs, *, parallelism=4, **options):
        return super().run_sweep(configs, parallelism=99, **options)

class CancelsWhatHasEnded(LocalRunner):
    def cancel(self, run_id):
        super().cancel(run_id)
        return True

class ShufflesResults(LocalRunner):
    def run_sweep(self, configs, **options):
        return super().run_sweep(configs, **options)[::-1]

class ChangesResults(LocalRunner):
    def __init__(self, config, name):
        super().__init__(config, name=name)
        collect, result_of = self.runs.collect, self.runs.result_of
        self.runs.collect = lambda run_id: self.changed(collect(run_id))
        self.runs.result_of = lambda ended: self.changed(result_of(ended))

class LosesOddNumbers(ChangesResults):
    def changed(self, result):
        kept = {name: value for name, value in result.metrics.items() if value == value}
        return dataclasses.replace(result, metrics=kept)

class CallsEverythingLost(ChangesResults):
    def changed(self, result):
        lost = failure("lost", result.failure.message) if result.failure else None
        return dataclasses.replace(result, failure=lost)

class ForgetsTheConfig(ChangesResults):
    def changed(self, result):
        return dataclasses.replace(result, config={})

class KeepsRunsInMemory(LocalRunner):
    def __init__(self, config, name):
        super().__init__(config, name=name)
        finder = self.runs.finder
        find = finder.paths

        def paths(run_id):
            if finder.known(run_id) is None:
                raise UnknownRunError(run_id)
            return find(run_id)

        finder.paths = paths

class KnowsEveryRun(LocalRunner):
    def get_status(self, run_id):
        return "pending"

class ChangesTheBackend(LocalRunner):
    def __init__(self, config, name):
        super().__init__(config, name=name)
        backend = self.runs.backend
        self.change(backend, backend.start, backend.view_jobs, backend.cancel_jobs)

class ClaimsByAnotherName(ChangesTheBackend):
    def change(self, backend, start, view_jobs, cancel_jobs):
        # A scheduler's own ids, with the local backend's supervisor as the job.
        def start_queued(submission, record):
            job_id = "q-" + start(submission, record)
            note_job(submission, job_id)
            return job_id

        def view_queued(job_ids):
            known = [job_id for job_id in job_ids if job_id.startswith("q-")]
            unknown = dict.fromkeys(job_ids, JobView(phase="unknown"))
            return unknown | {job_id: view_process(job_id[2:]) for job_id in known}

        backend.start, backend.view_jobs = start_queued, view_queued

class ForgetsJobsThatRun(ChangesTheBackend):
    def change(self, backend, start, view_jobs, cancel_jobs):
        began = {}

        def is_late(job_id):
            return time.time() - began.setdefault(job_id, time.time()) > 2

        def view(job_ids):
            late = filter(is_late, job_ids)
            return view_jobs(job_ids) | dict.fromkeys(late, JobView(phase="unknown"))

        backend.view_jobs = view

class CancelsNoJob(ChangesTheBackend):
    def change(self, backend, start, view_jobs, cancel_jobs):
        backend.cancel_jobs = lambda job_ids: None

def suite_for(runner):
    name = runner.__name__
    BACKENDS[name] = f"{__name__}:make_{name}"
    globals()[f"make_{name}"] = lambda options: runner(LocalConfig(**options), name=name)

    class Suite(CloudRunnerSuite):
        @pytest.fixture(scope="class")
        @classmethod
        def backend(cls, tmp_path_factory):
            options = {"output_dir": str(tmp_path_factory.mktemp("runs"))}
            # What is to happen, and does not, is waited for.
            patience_s = 20 if name == "CancelsNoJob" else 120
            return BackendUnderTest(name, options, patience_s=patience_s)

    return Suite

for runner in [
    *LocalRunner.__subclasses__(), *ChangesResults.__subclasses__(),
    *ChangesTheBackend.__subclasses__(),
]:
    globals()[f"Test{runner.__name__}"] = suite_for(runner)
"""


def test_each_fault_is_found_by_the_test_for_it(tmp_path: Path) -> None:
    (tmp_path / "test_faulty.py").write_text(FAULTY)
    tests = [f"test_faulty.py::Test{fault}::{test}" for fault, test in FAULTS.items()]
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-rfE", "-p", "no:cacheprovider", *tests],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    failed = re.findall(r"^FAILED test_faulty.py::Test(\w+)::", done.stdout, re.MULTILINE)
    assert set(failed) == set(FAULTS), done.stdout
    assert f"{len(FAULTS)} failed" in done.stdout.splitlines()[-1]
