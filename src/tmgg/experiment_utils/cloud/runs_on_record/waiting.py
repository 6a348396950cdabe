"""Waiting for runs: one question per tick for all of them, and an ear on the shared folder.

The backend is asked rarely and ever more rarely; the folder where jobs leave their exit records is
listed several times a second, which costs the scheduler nothing. A run's end is thus seen within a
fraction of a second, or, while a backend that is down keeps a question waiting, when that has timed
out.
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
    """Runs that can be waited for: those of one runner, by id, or a mixture (see `reattach`)."""

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
# A change promises others, but a sweep changes all the time: it must not ask all the time.
POLL_INTERVAL_AFTER_CHANGE_S = 10.0


class Clock:
    """Time, as an object so that tests need not wait."""

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
    """Runs on their way to an end. Asks the backend in growing intervals and listens in between.

    A run that leaves its exit record is polled by itself, at once: its files tell how it ended, so
    that costs the backend nothing as a rule.
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
        """The runs that have not begun, as far as is known."""
        return [run for run, state in self._states.items() if state.status == "pending"]

    def show_held(self, runs: Sequence[Key], *, note: str) -> None:
        """Tell of runs that are not submitted yet, and why; they are not watched."""
        before = self._held
        self._held = {run: _pending(run, reason=NOT_SUBMITTED, note=note) for run in runs}
        if self._held and self._held != before:
            self._tell()

    def _tell(self) -> None:
        if self._on_update is not None:
            self._on_update([*self._states.values(), *self._held.values()])

    def drop(self, run: Key) -> None:
        """Watch a run no more."""
        self._states.pop(run, None)

    def add(self, run: Key, job_id: str | None = None) -> None:
        """Watch one more run, pending until something else is known."""
        self._states[run] = _pending(run, job_id=job_id)

    def next_ended(self) -> list[RunState]:
        """Wait until at least one run has ended; the final states, which are watched no more."""
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
        """The runs to poll: those that left an exit record, or all when it is time to ask."""
        while (left_s := self._due_s - self._clock.monotonic()) > 0:
            heard = self._exit_records()
            # A job that is started again takes its record away and leaves another.
            new, self._heard = heard - self._heard, heard
            ended = {run_id_of_exit_record(name) for _folder, name in new}
            # A run of the same id in another folder is polled, too; that costs little.
            if polled := [run for run, state in self._states.items() if state.run_id in ended]:
                return polled
            self._clock.sleep(min(LISTEN_INTERVAL_S, left_s))
        return list(self._states)

    def _exit_records(self) -> set[tuple[Path, str]]:
        names: set[tuple[Path, str]] = set()
        for folder in self._runner.ended_folders(list(self._states)):
            # A listing, not a stat: opening a folder makes an NFS client ask the server again.
            with contextlib.suppress(OSError), os.scandir(folder) as entries:
                names |= {(folder, each.name) for each in entries if each.name.endswith(".json")}
        return names

    def _goes_on(self, run: Key, state: RunState) -> bool:
        """Submit a run again that saved its state before it was interrupted, if it may be."""
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

    Raises RunError where a run cannot be asked about any more, for example because it was removed.
    """
    watch = Watch(runner, on_update=on_update, clock=clock)
    for run in runs:
        watch.add(run)
    while watch.open_count:
        yield from watch.next_ended()
