"""What the suite knows of a backend, and helpers for its tests."""

import json
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from tmgg.experiment_utils.cloud import CloudRunner, TaskRequest, make_runner
from tmgg.experiment_utils.cloud.backend import Backend
from tmgg.experiment_utils.cloud.runs_on_record.recorded import RecordedRuns


@dataclass(frozen=True)
class BackendUnderTest:
    """A backend: its name in the factory, and the options for all its runners."""

    name: str
    options: Mapping[str, Any] = field(default_factory=dict)
    """Plain JSON: another process makes its runner with the same options."""
    patience_s: float = 120.0
    """The longest wait for an expected event; then the test fails."""

    def make_runner(self) -> CloudRunner:
        """A new runner, which shares only the options with others."""
        return make_runner(self.name, self.options)

    def in_another_process(self, call: str, *arguments: object) -> Any:
        """Make a call of `other_process` in a new process, and return its answer when it ended."""
        request = {"backend": self.name, "options": dict(self.options)}
        argv = [sys.executable, "-m", "tmgg.testing.other_process", json.dumps(request), call]
        done = subprocess.run(
            [*argv, *(json.dumps(argument) for argument in arguments)],
            capture_output=True,
            text=True,
            timeout=self.patience_s,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout.splitlines()[-1])

    def wait_until(self, condition: Callable[[], bool], what: str) -> None:
        """Return when the condition holds; fail if that takes more than `patience_s`."""
        deadline = time.monotonic() + self.patience_s
        while not condition():
            assert time.monotonic() < deadline, f"waited {self.patience_s} s for {what}"
            time.sleep(0.2)


def backend_of(runner: CloudRunner) -> Backend:
    """The backend of a runner, which starts, views and ends jobs."""
    assert isinstance(runner.runs, RecordedRuns), type(runner.runs)
    return runner.runs.backend


def phase_of(runner: CloudRunner, run_id: str) -> str | None:
    """The phase that the backend itself reports for a run's job; None if it reports none."""
    job_id = runner.poll([run_id])[0].job_id
    assert job_id is not None
    view = backend_of(runner).view_jobs([job_id])[job_id]
    return None if view is None else view.phase


def config(experiment: str, **values: Any) -> dict[str, Any]:
    """The config for a function of `tmgg.testing.experiments`."""
    return {"experiment": {"_target_": f"tmgg.testing.experiments:{experiment}"}, **values}


def request(experiment: str, *, run_id: str | None = None, **values: Any) -> TaskRequest:
    """The same, as a TaskRequest."""
    return TaskRequest(config=config(experiment, **values), run_id=run_id)
