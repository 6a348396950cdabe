"""The one interface of all backends, and the parts of it that do not depend on the backend.

A backend says how to `spawn` one run, `poll` many at once, and `cancel` one. Waiting, sweeps and
the rest follow from these, so they mean the same everywhere.
"""

import re
import secrets
import time
from abc import ABC, abstractmethod
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tmgg.errors import RunExistsError
from tmgg.experiment_utils.cloud import checks, waiting
from tmgg.experiment_utils.cloud.runs import (
    ExperimentResult,
    OnUpdate,
    RunState,
    SpawnedTask,
    Status,
    TaskRequest,
)
from tmgg.experiment_utils.paths import check_run_id
from tmgg.experiment_utils.task import ConfigLike, TaskInput, prepare_config, target_of


class CloudRunner(ABC):
    """Where experiments run. Safe to throw away: all state is on the runs' records."""

    backend: str
    """Name in the factory and on records."""

    @abstractmethod
    def spawn(self, request: TaskRequest, *, gpu_type: str | None, resume: bool) -> SpawnedTask:
        """Start one run without waiting.

        Raises TaskError, ConfigError, RunExistsError or BackendError; then nothing runs.
        """

    @abstractmethod
    def poll(self, run_ids: Sequence[str]) -> list[RunState]:
        """The state of each run, in order, with one question to the backend for all of them.

        Raises UnknownRunError. A backend that does not answer raises nothing: the states then
        are the last that can be known, with a `note`.
        """

    @abstractmethod
    def collect(self, run_id: str) -> ExperimentResult:
        """The result of a run whose state is final."""

    @abstractmethod
    def cancel(self, run_id: str) -> bool:
        """End a run; False when it had already ended. Raises BackendError when it cannot."""

    @property
    def poll_interval_s(self) -> float:
        """Longest time between two questions to the backend while waiting."""
        return 1.0

    def existing(self, run_ids: Sequence[str]) -> list[str]:
        """Those of the ids that new runs cannot have, as far as can be told before submitting."""
        return []

    def ended_folders(self, run_ids: Sequence[str]) -> set[Path]:
        """Folders where something appears when one of the runs ends; watched between polls."""
        return set()

    def go_on(self, state: RunState) -> bool:
        """Submit a `resumable` run again, so that it goes on from its saved state.

        False where the backend cannot, or the run has no restart left.
        """
        return False

    def spawn_experiment(
        self,
        config: ConfigLike | TaskRequest,
        *,
        timeout_seconds: int | None = None,
        gpu_type: str | None = None,
        run_id: str | None = None,
        resume: bool = False,
    ) -> SpawnedTask:
        """Start one run and return at once.

        `resume=True` makes a run id that exists no error: a run that is going on or complete is
        returned as it is, a failed one is submitted again with the config of its record.
        """
        request = as_request(config, timeout_seconds=timeout_seconds, run_id=run_id)
        return self.spawn(request, gpu_type=gpu_type, resume=resume)

    def get_status(self, run_id: str) -> Status:
        """`pending`, `running`, `completed` or `failed`; works from any process."""
        return self.poll([run_id])[0].status

    def get_result(
        self,
        spawned: SpawnedTask | str,
        config: ConfigLike | None = None,
        *,
        on_update: OnUpdate | None = None,
    ) -> ExperimentResult:
        """Wait for a run to end and return its result.

        `config` is not needed (the record has it) and accepted because callers have it at hand.
        """
        run_id = spawned if isinstance(spawned, str) else spawned.run_id
        for _ended in waiting.wait(self, [run_id], on_update=on_update):
            pass
        return self.collect(run_id)

    def run_experiment(self, config: ConfigLike | TaskRequest, **options: Any) -> ExperimentResult:
        """`spawn_experiment` with the same options, then `get_result`."""
        return self.get_result(self.spawn_experiment(config, **options))

    def run_sweep(
        self,
        configs: Sequence[ConfigLike | TaskRequest],
        *,
        parallelism: int = 4,
        gpu_type: str | None = None,
        timeout_seconds: int | None = None,
        resume: bool = False,
        on_update: OnUpdate | None = None,
    ) -> list[ExperimentResult]:
        """Run all, at most `parallelism` at once; one result per config, in order.

        All configs are checked before the first is submitted. A run that fails, or that the
        backend refuses, is a failed result; the others go on.
        """
        requests = [as_request(config, timeout_seconds=timeout_seconds) for config in configs]
        if not resume:
            self._refuse_existing(requests)
        return waiting.sweep(
            self,
            requests,
            parallelism=parallelism,
            spawn=lambda request: self.spawn(request, gpu_type=gpu_type, resume=resume),
            on_update=on_update,
        )

    def _refuse_existing(self, requests: Sequence[TaskRequest]) -> None:
        existing = self.existing([str(request.run_id) for request in requests])
        if existing:
            raise RunExistsError(
                f"these runs of the sweep exist already: {', '.join(existing)}. Nothing was "
                "submitted. Choose other run ids, or go on with what is there (resume=True)."
            )


def as_request(
    config: ConfigLike | TaskRequest,
    *,
    timeout_seconds: int | None = None,
    run_id: str | None = None,
) -> TaskRequest:
    """A checked request with a plain config and a run id; raises TaskError or ConfigError."""
    given = config if isinstance(config, TaskRequest) else TaskRequest(config=config)
    plain = prepare_config(given.config)
    if given.target is None:
        target_of(plain)
    timeout = given.timeout_seconds if timeout_seconds is None else timeout_seconds
    if timeout is not None:
        checks.integer("timeout_seconds", timeout, least=1)
    return TaskRequest(
        config=plain,
        run_id=_first_run_id(run_id, given.run_id, plain.get("run_id")),
        target=given.target,
        payload=given.payload,
        timeout_seconds=timeout,
    )


def _first_run_id(*candidates: object) -> str:
    given = [candidate for candidate in candidates if candidate is not None]
    return check_run_id(given[0]) if given else new_run_id()


def task_of(request: TaskRequest, *, default_timeout_s: int | None) -> TaskInput:
    """The task file's content for a request that `as_request` made."""
    assert request.run_id is not None
    timeout = request.timeout_seconds
    return TaskInput(
        run_id=request.run_id,
        target=request.target or target_of(request.config),
        config=dict(request.config),
        timeout_seconds=default_timeout_s if timeout is None else timeout,
    )


def new_run_id() -> str:
    """Sorts by time; unique enough that a collision is caught by the run folder's mkdir."""
    return f"{time.strftime('%Y%m%d-%H%M%S')}-{secrets.token_hex(4)}"


_SWEEP_RUN = re.compile(r"(?P<sweep>\d{8}-\d{6}-[0-9a-f]{8})-\d+")


def sweep_of(run_id: str) -> str | None:
    """The sweep a run belongs to, by its id: the launcher names a sweep's runs SWEEP-0, SWEEP-1."""
    found = _SWEEP_RUN.fullmatch(run_id)
    return found["sweep"] if found else None
