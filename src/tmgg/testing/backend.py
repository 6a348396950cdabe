"""What the suite knows of a backend, and the ways in which its tests use it."""

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
    """A backend by its name in the factory, with the options all its runners are made with."""

    name: str
    options: Mapping[str, Any] = field(default_factory=dict)
    """Plain JSON: another process makes its runner with the same."""
    patience_s: float = 120.0
    """Longest wait for anything that should happen; a test fails after it."""

    def make_runner(self) -> CloudRunner:
        """A runner that shares nothing with others but the options."""
        return make_runner(self.name, self.options)

    def in_another_process(self, call: str, *arguments: object) -> Any:
        """What a call of `other_process` prints, in a process that has ended when this returns."""
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
        """Return once the condition holds; fail when that takes more than `patience_s`."""
        deadline = time.monotonic() + self.patience_s
        while not condition():
            assert time.monotonic() < deadline, f"waited {self.patience_s} s for {what}"
            time.sleep(0.2)


def backend_of(runner: CloudRunner) -> Backend:
    """What the runner's package brings: how jobs are started, seen and ended."""
    assert isinstance(runner.runs, RecordedRuns), type(runner.runs)
    return runner.runs.backend


def phase_of(runner: CloudRunner, run_id: str) -> str | None:
    """What the backend itself says of a run's job; None where it does not answer."""
    job_id = runner.poll([run_id])[0].job_id
    assert job_id is not None
    view = backend_of(runner).view_jobs([job_id])[job_id]
    return None if view is None else view.phase


def config(experiment: str, **values: Any) -> dict[str, Any]:
    """The config of one of `experiments`."""
    return {"experiment": {"_target_": f"tmgg.testing.experiments:{experiment}"}, **values}


def request(experiment: str, *, run_id: str | None = None, **values: Any) -> TaskRequest:
    """The same as a request."""
    return TaskRequest(config=config(experiment, **values), run_id=run_id)
