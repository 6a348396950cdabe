"""The one interface of all backends, and the parts of it that do not depend on the backend.

A backend says how to `spawn` one run, `poll` many at once, and `cancel` one. Waiting, sweeps and
the rest follow from these, so they mean the same everywhere.
"""

import re
import secrets
import time
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar

from tmgg.errors import BackendError, ConfigError, RunError, RunExistsError
from tmgg.experiment_utils.artifacts import check_url
from tmgg.experiment_utils.cloud import checks, waiting
from tmgg.experiment_utils.cloud.dispatch import Dispatcher, SeparateDispatcher
from tmgg.experiment_utils.cloud.polling import Found
from tmgg.experiment_utils.cloud.runs import (
    ExperimentResult,
    OnUpdate,
    RunState,
    SpawnedSweep,
    SpawnedTask,
    Status,
    SweepMode,
    TaskRequest,
)
from tmgg.experiment_utils.cloud.sweep_policy import RetryChanges, SweepPolicy
from tmgg.experiment_utils.cloud.sweeping import Sweep, SweepPlan, refuse_twins
from tmgg.experiment_utils.failures import Failure
from tmgg.experiment_utils.paths import check_run_id
from tmgg.experiment_utils.task import ConfigLike, TaskInput, prepare_config, target_of


class CloudRunner(ABC):
    """Where experiments run. Safe to throw away: all state is on the runs' records."""

    backend: str
    """Name in the factory and on records."""
    sweep_modes: ClassVar[tuple[SweepMode, ...]] = ("separate",)
    """Those it has."""

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

    def poll_each(self, run_ids: Sequence[str]) -> list[Found]:
        """As `poll`, but a run whose record is damaged is its RunError and hinders no other.

        Asks about each by itself; a backend that can ask about all at once overrides this.
        """
        return [self._poll_one(run_id) for run_id in run_ids]

    def _poll_one(self, run_id: str) -> Found:
        try:
            return self.poll([run_id])[0]
        except RunError as error:
            return error

    @abstractmethod
    def collect(self, run_id: str) -> ExperimentResult:
        """The result of a run whose state is final; raises NotEndedError for another."""

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

    def cancel_all(self, run_ids: Sequence[str], *, why: str = "") -> list[bool]:
        """As `cancel` for each; `why` is kept on the records."""
        return [self.cancel(run_id) for run_id in run_ids]

    def retry(self, run_id: str, changes: RetryChanges | None = None) -> SpawnedTask:
        """Submit a run that failed again, with the same task.

        Raises RunExistsError when it has not failed.
        """
        raise BackendError(f"the {self.backend} backend cannot submit run {run_id!r} again")

    def bad_nodes(self, state: RunState) -> list[str]:
        """Nodes to keep out of the next try of a run that a node failed."""
        return []

    @property
    def default_sweep_mode(self) -> SweepMode:
        """The mode of sweeps for which none was given."""
        return "separate"

    @property
    def submit_patience_s(self) -> float:
        """How long a backend that takes no more is asked again while nothing is under way."""
        return 300.0

    def dispatcher(self, plan: SweepPlan, *, gpu_type: str | None, resume: bool) -> Dispatcher:
        """What submits the runs of a sweep in its mode, which is one of `sweep_modes`."""

        def spawn(request: TaskRequest) -> SpawnedTask:
            # Thousands take longer to submit than a launcher may be silent.
            self.show_alive(plan.sweep_id)
            return self.spawn(request, gpu_type=gpu_type, resume=resume)

        return SeparateDispatcher(spawn, parallelism=plan.parallelism)

    def match_earlier(self, requests: Sequence[TaskRequest]) -> list[TaskRequest]:
        """The requests, with the run ids of earlier runs that have the same content."""
        return list(requests)

    def note_sweep(self, plan: SweepPlan, *, gpu_type: str | None) -> None:
        """Keep on record which runs a sweep has, before the first is submitted."""
        return

    def end_sweep(self, sweep_id: str, why: Failure) -> None:
        """Keep on record that what waits to be submitted will not be."""
        return

    def show_alive(self, sweep_id: str) -> None:
        """Let others see that this process still submits the runs of a sweep."""
        return

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
        mode: SweepMode | None = None,
        parallelism: int = 4,
        policy: SweepPolicy | None = None,
        gpu_type: str | None = None,
        timeout_seconds: int | None = None,
        resume: bool = False,
        on_update: OnUpdate | None = None,
    ) -> list[ExperimentResult]:
        """Run all, at most `parallelism` at once; one result per config, in order.

        All configs are checked before the first is submitted. A run that fails, or that the
        backend refuses, is a failed result; the others go on, unless `policy` says otherwise.
        `mode` is how the runs are submitted; None takes the runner's own. In `packed` there is one
        job, and how many runs are under way at once follows from its size. `resume=True` runs only
        what is missing or failed: a run of an earlier sweep that has the same content, whatever it
        is called, takes the place of a new one.
        """
        plan = self._plan(configs, mode, parallelism, policy, timeout_seconds, resume=resume)
        if not plan.requests:
            return []
        return self._sweep(plan, gpu_type=gpu_type, resume=resume, on_update=on_update).run()

    def spawn_sweep(
        self,
        configs: Sequence[ConfigLike | TaskRequest],
        *,
        mode: SweepMode | None = None,
        parallelism: int = 4,
        gpu_type: str | None = None,
        timeout_seconds: int | None = None,
        resume: bool = False,
        on_update: OnUpdate | None = None,
    ) -> SpawnedSweep:
        """As `run_sweep`, but return once all are submitted; `tmgg-jobs wait SWEEP` waits.

        `parallelism` is kept by the scheduler in `array`; `separate` runs are all submitted at
        once. A policy needs somebody who waits, so there is none.
        """
        plan = self._plan(configs, mode, parallelism, None, timeout_seconds, resume=resume)
        if plan.mode == "separate":
            plan = replace(plan, parallelism=max(1, len(plan.requests)))
        run_ids = [str(request.run_id) for request in plan.requests]
        if not run_ids:
            return SpawnedSweep(sweep_id=plan.sweep_id, run_ids=[])
        sweep = self._sweep(plan, gpu_type=gpu_type, resume=resume, on_update=on_update)
        sweep.submit()
        return SpawnedSweep(sweep_id=plan.sweep_id, run_ids=run_ids, refused=sweep.results)

    def _plan(
        self,
        configs: Sequence[ConfigLike | TaskRequest],
        mode: SweepMode | None,
        parallelism: int,
        policy: SweepPolicy | None,
        timeout_seconds: int | None,
        *,
        resume: bool,
    ) -> SweepPlan:
        """What is to be done, checked, before anything is written."""
        chosen = self.default_sweep_mode if mode is None else mode
        if chosen not in self.sweep_modes:
            raise ConfigError(
                f"mode={chosen!r} cannot be: the {self.backend} backend has "
                f"{', '.join(self.sweep_modes)}"
            )
        new_id = new_run_id()
        requests = [
            as_request(config, timeout_seconds=timeout_seconds, default_run_id=f"{new_id}-{number}")
            for number, config in enumerate(configs)
        ]
        if requests:
            checks.integer("parallelism", parallelism, least=1)
        refuse_twins(requests)
        if resume:
            requests = self.match_earlier(requests)
        else:
            self._refuse_existing(requests)
        sweeps = {sweep_of(str(request.run_id)) for request in requests}
        sweep_id = sweeps.pop() if len(sweeps) == 1 else None
        return SweepPlan(
            sweep_id=sweep_id or new_id,
            mode=chosen,
            parallelism=parallelism,
            policy=policy or SweepPolicy(),
            requests=requests,
        )

    def _sweep(
        self, plan: SweepPlan, *, gpu_type: str | None, resume: bool, on_update: OnUpdate | None
    ) -> Sweep:
        dispatcher = self.dispatcher(plan, gpu_type=gpu_type, resume=resume)
        self.note_sweep(plan, gpu_type=gpu_type)
        clock = waiting.Clock()

        def seen(states: Sequence[RunState]) -> None:
            self.show_alive(plan.sweep_id)
            if on_update is not None:
                on_update(states)

        watch = waiting.Watch(self, on_update=seen, clock=clock)
        return Sweep(self, plan, dispatcher, watch=watch, clock=clock)

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
    default_run_id: str | None = None,
) -> TaskRequest:
    """A checked request with a plain config and a run id; raises TaskError or ConfigError."""
    given = config if isinstance(config, TaskRequest) else TaskRequest(config=config)
    plain = prepare_config(given.config)
    if given.target is None:
        target_of(plain)
    timeout = given.timeout_seconds if timeout_seconds is None else timeout_seconds
    if timeout is not None:
        checks.integer("timeout_seconds", timeout, least=1)
    url = given.artifact_url
    return TaskRequest(
        config=plain,
        run_id=_first_run_id(run_id, given.run_id, plain.get("run_id"), default_run_id),
        target=given.target,
        payload=given.payload,
        timeout_seconds=timeout,
        artifact_url=None if url is None else check_url("artifact_url", url),
        title=given.title,
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
        artifact_url=request.artifact_url,
    )


def new_run_id() -> str:
    """Sorts by time; unique enough that a collision is caught by the run folder's mkdir."""
    return f"{time.strftime('%Y%m%d-%H%M%S')}-{secrets.token_hex(4)}"


_SWEEP_RUN = re.compile(r"(?P<sweep>\d{8}-\d{6}-[0-9a-f]{8})-\d+")


def sweep_of(run_id: str) -> str | None:
    """The sweep a run belongs to, by its id: the launcher names a sweep's runs SWEEP-0, SWEEP-1."""
    found = _SWEEP_RUN.fullmatch(run_id)
    return found["sweep"] if found else None
