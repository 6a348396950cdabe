"""Waits for runs: asks the backend about all of them at once, and lists the folder of exit records.

The backend is asked less and less often. The folder in which jobs leave their exit records is
listed several times a second, which costs the scheduler nothing. So a run's end is seen within a
fraction of a second. If a backend that is down blocks a question, it is seen after the timeout.
"""

import contextlib
import os
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Generic, Protocol, TypeVar

from tmgg.experiment_utils.cloud.runs import NOT_SUBMITTED, OnUpdate, RunKey, RunState
from tmgg.experiment_utils.run_folder.paths import RunPaths, run_id_of_exit_record

Key = TypeVar("Key", bound=RunKey)
_Asked = TypeVar("_Asked", bound=RunKey, contravariant=True)


class Pollable(Protocol[_Asked]):
    """Runs that can be waited for: one runner's runs, by id, or any runs (see `reattach`)."""

    @property
    def poll_interval_s(self) -> float:
        """As in CloudRunner."""
        ...

    def poll(self, runs: Sequence[_Asked], /) -> list[RunState]:
        """As in CloudRunner."""
        ...

    def ended_folders(self, runs: Sequence[_Asked], /) -> set[Path]:
        """As in CloudRunner."""
        ...

    def go_on(self, state: RunState) -> bool:
        """As in CloudRunner."""
        ...


LISTEN_INTERVAL_S = 0.2
FIRST_POLL_INTERVAL_S = 2.0
POLL_GROWTH = 2.0
# After one change others are likely, but a sweep changes all the time: do not ask all the time.
POLL_INTERVAL_AFTER_CHANGE_S = 10.0


class Clock:
    """The time, as an object that tests can replace so that they do not wait."""

    def monotonic(self) -> float:
        return time.monotonic()

    def sleep(self, duration_s: float) -> None:
        time.sleep(duration_s)


class TimeIsUpError(Exception):
    """The time given for waiting is over."""


class LimitedClock(Clock):
    """Raises TimeIsUpError instead of sleeping past a limit."""

    def __init__(self, limit_s: float | None) -> None:
        self._deadline = None if limit_s is None else self.monotonic() + limit_s

    def sleep(self, duration_s: float) -> None:
        if self._deadline is not None:
            left_s = self._deadline - self.monotonic()
            if left_s <= 0:
                raise TimeIsUpError
            duration_s = min(duration_s, left_s)
        super().sleep(duration_s)


class Watch(Generic[Key]):
    """Watches runs until they end: asks the backend in growing intervals, and lists exit records.

    A run that leaves its exit record is polled at once, without the others. Its files usually tell
    how it ended, so the backend is usually not asked.
    """

    def __init__(
        self,
        runner: Pollable[Key],
        *,
        on_update: OnUpdate | None = None,
        clock: Clock | None = None,
    ) -> None:
        self._runner = runner
        self._on_update = on_update
        self._clock = clock or Clock()
        self._states: dict[Key, RunState] = {}
        self._held: dict[Key, RunState] = {}
        self._heard: set[tuple[Path, str]] = set()
        self._longest_s = runner.poll_interval_s
        self._interval_s = min(FIRST_POLL_INTERVAL_S, self._longest_s)
        self._due_s = self._clock.monotonic()

    @property
    def open_count(self) -> int:
        """How many runs have not ended."""
        return len(self._states)

    @property
    def open_runs(self) -> list[Key]:
        """The runs that have not ended."""
        return list(self._states)

    @property
    def pending_runs(self) -> list[Key]:
        """The runs that had not begun at the last poll."""
        return [run for run, state in self._states.items() if state.status == "pending"]

    def show_held(self, runs: Sequence[Key], *, note: str) -> None:
        """Report runs that are not submitted yet, with a note that says why; not watched."""
        before = self._held
        self._held = {run: _pending(run, reason=NOT_SUBMITTED, note=note) for run in runs}
        if self._held and self._held != before:
            self._tell()

    def _tell(self) -> None:
        if self._on_update is not None:
            self._on_update([*self._states.values(), *self._held.values()])

    def drop(self, run: Key) -> None:
        """Stop watching a run."""
        self._states.pop(run, None)

    def add(self, run: Key, job_id: str | None = None) -> None:
        """Watch one more run; it counts as pending until the first poll."""
        self._states[run] = _pending(run, job_id=job_id)

    def next_ended(self) -> list[RunState]:
        """Wait until at least one run has ended; returns the final states of the ended runs.

        The ended runs are not watched any more. Empty if no runs are watched.
        """
        while self._states:
            asked = self._listen()
            states = dict(zip(asked, self._runner.poll(asked), strict=True))
            changed = any(self._states[run] != state for run, state in states.items())
            self._states.update(states)
            if len(asked) == len(self._states):
                self._plan_next_question(changed=changed)
            self._tell()
            ended = {
                run: state
                for run, state in states.items()
                if state.final and not self._goes_on(run, state)
            }
            for run in ended:
                del self._states[run]
            if ended:
                return list(ended.values())
        return []

    def _listen(self) -> list[Key]:
        """Wait for runs to poll: those with a new exit record, or all if the next poll is due."""
        while (left_s := self._due_s - self._clock.monotonic()) > 0:
            heard = self._exit_records()
            # A job that is started again removes its exit record and leaves another one later.
            new, self._heard = heard - self._heard, heard
            ended = {run_id_of_exit_record(name) for _folder, name in new}
            # A run with the same id in another folder is also polled; that costs little.
            if polled := [run for run, state in self._states.items() if state.run_id in ended]:
                return polled
            self._clock.sleep(min(LISTEN_INTERVAL_S, left_s))
        return list(self._states)

    def _exit_records(self) -> set[tuple[Path, str]]:
        names: set[tuple[Path, str]] = set()
        for folder in self._runner.ended_folders(list(self._states)):
            # Listed instead of stat: opening a folder makes an NFS client ask the server again.
            with contextlib.suppress(OSError), os.scandir(folder) as entries:
                names |= {(folder, each.name) for each in entries if each.name.endswith(".json")}
        return names

    def _goes_on(self, run: Key, state: RunState) -> bool:
        """Submit a run again if it saved its state before an interruption; whether it goes on."""
        if not (state.resumable and self._runner.go_on(state)):
            return False
        self.add(run)
        return True

    def _plan_next_question(self, *, changed: bool) -> None:
        if changed:
            self._interval_s = min(self._interval_s, POLL_INTERVAL_AFTER_CHANGE_S)
        self._due_s = self._clock.monotonic() + self._interval_s
        self._interval_s = min(self._interval_s * POLL_GROWTH, self._longest_s)


def _pending(
    run: RunKey, *, job_id: str | None = None, reason: str = "", note: str = ""
) -> RunState:
    output_dir, run_id = (
        (run.output_dir, run.run_id) if isinstance(run, RunPaths) else (None, str(run))
    )
    return RunState(
        run_id=run_id,
        status="pending",
        final=False,
        reason=reason,
        job_id=job_id,
        note=note,
        output_dir=output_dir,
    )


def wait(
    runner: Pollable[Key],
    runs: Sequence[Key],
    *,
    on_update: OnUpdate | None = None,
    clock: Clock | None = None,
) -> Iterator[RunState]:
    """Yield the final state of each run as it ends.

    Raises RunError if a run cannot be polled any more, for example because it was removed.
    """
    watch = Watch(runner, on_update=on_update, clock=clock)
    for run in runs:
        watch.add(run)
    while watch.open_count:
        yield from watch.next_ended()
