"""Waiting for runs: one question per tick for all of them, and an ear on the shared folder.

The backend is asked rarely and ever more rarely; the folder where jobs leave their exit records is
listed several times a second, which costs the scheduler nothing. A run's end is thus seen within a
fraction of a second, and a backend that is down delays nothing that the folder can tell.
"""

import contextlib
import logging
import os
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from tmgg.errors import BackendError, ConfigError, RunError, SubmissionUnknownError
from tmgg.experiment_utils.cloud.runs import (
    ExperimentResult,
    OnUpdate,
    RunState,
    SpawnedTask,
    TaskRequest,
)
from tmgg.experiment_utils.failures import failure

if TYPE_CHECKING:
    from tmgg.experiment_utils.cloud.base import CloudRunner


log = logging.getLogger(__name__)


class Pollable(Protocol):
    """Runs that can be waited for: those of one runner, or a mixture (see `reattach`)."""

    @property
    def poll_interval_s(self) -> float:
        """As in CloudRunner."""
        ...

    def poll(self, run_ids: Sequence[str]) -> list[RunState]:
        """As in CloudRunner."""
        ...

    def ended_folders(self, run_ids: Sequence[str]) -> set[Path]:
        """As in CloudRunner."""
        ...


LISTEN_INTERVAL_S = 0.2
FIRST_POLL_INTERVAL_S = 1.0
POLL_GROWTH = 1.3


class Clock:
    """Time, as an object so that tests need not wait."""

    def monotonic(self) -> float:
        return time.monotonic()

    def sleep(self, duration_s: float) -> None:
        time.sleep(duration_s)


class Pacer:
    """Decides when to ask the backend again: soon after a change, ever more rarely without one."""

    def __init__(self, runner: Pollable, clock: Clock) -> None:
        self._runner = runner
        self._clock = clock
        self._interval_s = min(FIRST_POLL_INTERVAL_S, runner.poll_interval_s)
        self._seen: set[str] = set()

    def changed(self) -> None:
        """Something happened: ask again soon."""
        self._interval_s = min(FIRST_POLL_INTERVAL_S, self._runner.poll_interval_s)

    def pause(self, run_ids: Sequence[str]) -> None:
        """Return when it is time to ask, or when one of the runs left an exit record."""
        folders = self._runner.ended_folders(run_ids)
        until = self._clock.monotonic() + self._interval_s
        self._interval_s = min(self._interval_s * POLL_GROWTH, self._runner.poll_interval_s)
        while (left := until - self._clock.monotonic()) > 0:
            if self._heard(folders):
                return
            self._clock.sleep(min(LISTEN_INTERVAL_S, left))

    def _heard(self, folders: set[Path]) -> bool:
        names: set[str] = set()
        for folder in folders:
            # A listing, not a stat: opening a folder makes an NFS client ask the server again.
            with contextlib.suppress(OSError), os.scandir(folder) as entries:
                names.update(entry.name for entry in entries if entry.name.endswith(".json"))
        new = names - self._seen
        self._seen = names
        return bool(new)


def wait(
    runner: Pollable,
    run_ids: Sequence[str],
    *,
    on_update: OnUpdate | None = None,
    clock: Clock | None = None,
) -> Iterator[RunState]:
    """Yield the final state of each run as it ends."""
    open_ids = list(run_ids)
    clock = clock or Clock()
    pacer = Pacer(runner, clock)
    before: dict[str, RunState] = {}
    while open_ids:
        states = runner.poll(open_ids)
        if on_update is not None:
            on_update(states)
        now = {state.run_id: state for state in states}
        if now != before:
            pacer.changed()
        before = now
        ended = [state for state in states if state.final]
        yield from ended
        open_ids = [state.run_id for state in states if not state.final]
        if open_ids and not ended:
            pacer.pause(open_ids)


def sweep(
    runner: "CloudRunner",
    requests: Sequence[TaskRequest],
    *,
    parallelism: int,
    spawn: Callable[[TaskRequest], SpawnedTask],
    on_update: OnUpdate | None = None,
    clock: Clock | None = None,
) -> list[ExperimentResult]:
    """Submit as room appears, collect as runs end; one result per request, in order."""
    if parallelism < 1:
        raise ConfigError(f"parallelism={parallelism}: at least 1 run must be allowed at a time")
    _refuse_twins(requests)
    clock = clock or Clock()
    pacer = Pacer(runner, clock)
    waiting_requests = list(requests)
    results: dict[str, ExperimentResult] = {}
    open_ids: list[str] = []
    while waiting_requests or open_ids:
        while waiting_requests and len(open_ids) < parallelism:
            request = waiting_requests.pop(0)
            assert request.run_id is not None
            try:
                open_ids.append(spawn(request).run_id)
            except SubmissionUnknownError as error:
                # The job may be in; polling finds out.
                log.warning("%s", error)
                open_ids.append(request.run_id)
            except (BackendError, RunError) as error:
                results[request.run_id] = _refused(request, error)
            pacer.changed()
        states = runner.poll(open_ids) if open_ids else []
        if on_update is not None:
            on_update(states)
        ended = [state.run_id for state in states if state.final]
        for run_id in ended:
            results[run_id] = runner.collect(run_id)
        open_ids = [run_id for run_id in open_ids if run_id not in ended]
        if open_ids and not ended:
            pacer.pause(open_ids)
    return [results[str(request.run_id)] for request in requests]


def _refuse_twins(requests: Sequence[TaskRequest]) -> None:
    ids = [request.run_id for request in requests]
    twins = sorted({str(run_id) for run_id in ids if ids.count(run_id) > 1})
    if twins:
        raise ConfigError(
            f"run ids given twice in one sweep: {', '.join(twins)}. Make them unique."
        )


def _refused(request: TaskRequest, error: BackendError | RunError) -> ExperimentResult:
    why = failure("submission", str(error))
    return ExperimentResult(
        run_id=str(request.run_id),
        config=dict(request.config),
        status="failed",
        error_message=f"{why.message}\nHINT: {why.hint}",
        failure=why,
    )
