"""A backend whose runs end when the script says so, on a clock that nobody waits for."""

import contextlib
import os
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from tests.fakes.clock import FakeClock
from tmgg.errors import NotEndedError, RunError, SubmitLimitError, UnknownRunError
from tmgg.experiment_utils.cloud.backend import BackendTraits
from tmgg.experiment_utils.cloud.judging.polling import Found
from tmgg.experiment_utils.cloud.runner import CloudRunner
from tmgg.experiment_utils.cloud.runs import (
    ExperimentResult,
    RunState,
    SpawnedTask,
    TaskRequest,
    run_id_of,
)
from tmgg.experiment_utils.cloud.sweep.dispatch import Dispatcher, SeparateDispatcher
from tmgg.experiment_utils.cloud.sweep.matching import Resumed
from tmgg.experiment_utils.cloud.sweep.plan import SweepPlan
from tmgg.experiment_utils.cloud.sweep.policy import RetryChanges
from tmgg.experiment_utils.run_folder.failures import Failure, FailureKind, failure


@dataclass
class Script:
    """How one run goes."""

    duration_s: float = 5.0
    outcome: Literal["completed", "failed"] = "completed"
    failures: list[FailureKind] = field(default_factory=list)
    """How its first tries fail; after them comes `outcome`."""
    nodes: str = ""
    begins_s: float = 0.0
    """How long it is pending."""
    leaves_record: bool = False
    """An exit record appears in the shared folder when it ends."""
    interruptions: int = 0
    """How often it ends with its state saved before it can reach its outcome."""
    spawn_error: Exception | None = None
    collect_error: Exception | None = None
    began_s: float | None = None


class ScriptedRunner(CloudRunner):
    """Runs `scripts` by run id; others take the defaults. Notes all that it is asked.

    It is its own `RunControl`.
    """

    def __init__(self, clock: FakeClock, folder: Path, *, poll_interval_s: float = 30.0) -> None:
        super().__init__(self)
        self.traits = BackendTraits(
            name="scripted", output_dir=folder, base_dir=folder, poll_interval_s=poll_interval_s
        )
        self.clock = clock
        self.ended_folder = folder
        self.scripts: dict[str, Script] = {}
        self.polls: list[tuple[float, list[str]]] = []
        self.spawned: list[str] = []
        self.most_at_once = 0
        self.restarts = 9
        self.resubmitted: list[str] = []
        self.vanished: set[str] = set()
        self.retried: list[tuple[str, RetryChanges]] = []
        self.retry_errors: list[Exception] = []
        self.cancelled: list[str] = []
        self.ended_sweeps = 0
        self.shown_alive_after: list[int] = []
        """How many runs had been spawned each time."""
        self.leases: list[str] = []
        """Sweeps whose lease is held."""
        self.most_in_queue: int | None = None
        self.poll_interval_s = poll_interval_s

    def begin(self, run_id: str, **script: float | bool | str) -> str:
        """A run that somebody else spawned just now."""
        self.scripts[run_id] = Script(**script)  # type: ignore[arg-type]
        self._begin(run_id)
        return run_id

    def spawn(self, request: TaskRequest, *, gpu_type: str | None, resume: bool) -> SpawnedTask:
        run_id = str(request.run_id)
        script = self.scripts.setdefault(run_id, Script())
        if self.most_in_queue is not None and len(self._open()) >= self.most_in_queue:
            raise SubmitLimitError("QOSMaxSubmitJobPerUserLimit")
        self.spawned.append(run_id)
        if script.spawn_error is None or script.spawn_error.args == ("but it runs",):
            self._begin(run_id)
        if script.spawn_error is not None:
            raise script.spawn_error
        self.most_at_once = max(self.most_at_once, len(self._open()))
        return SpawnedTask(run_id=run_id, job_id=f"job-{run_id}", backend=self.backend)

    def poll(self, run_ids: Sequence[str]) -> list[RunState]:
        self.polls.append((self.clock.now_s, list(run_ids)))
        return [self._state(run_id) for run_id in run_ids]

    def poll_each(self, run_ids: Sequence[str]) -> list[Found]:
        self.polls.append((self.clock.now_s, list(run_ids)))
        return [self._found(run_id) for run_id in run_ids]

    def result_of(self, ended: RunState) -> ExperimentResult:
        return self.collect(ended.run_id)

    def collect(self, run_id: SpawnedTask | str) -> ExperimentResult:
        run_id = run_id_of(run_id)
        self._refuse_vanished(run_id)
        script = self.scripts[run_id]
        if script.collect_error is not None:
            raise script.collect_error
        state = self._state(run_id)
        if not state.final:
            raise NotEndedError(f"run {run_id!r} has not ended")
        why = state.failure
        return ExperimentResult(
            run_id=run_id, config={}, status="failed" if why else script.outcome, failure=why
        )

    def cancel_all(self, run_ids: Sequence[str], *, why: str = "") -> list[bool]:
        return [self.cancel(run_id) for run_id in run_ids]

    def cancel(self, run_id: SpawnedTask | str) -> bool:
        run_id = run_id_of(run_id)
        self.cancelled.append(run_id)
        self.scripts[run_id] = Script(outcome="failed", duration_s=0, began_s=self.clock.now_s)
        return True

    def existing(self, run_ids: Sequence[str]) -> list[str]:
        return []

    def match_earlier(
        self,
        requests: Sequence[TaskRequest],
        *,
        rerun_changed_code: bool,
        say: Callable[[str], None],
        launched: Collection[str] = (),
    ) -> Resumed:
        return Resumed(requests=list(requests))

    def dispatcher(self, plan: SweepPlan, *, gpu_type: str | None, resume: bool) -> Dispatcher:
        def spawn(request: TaskRequest) -> SpawnedTask:
            self.show_alive(plan.sweep_id)
            return self.spawn(request, gpu_type=gpu_type, resume=resume)

        return SeparateDispatcher(spawn, parallelism=plan.parallelism)

    def note_sweep(self, plan: SweepPlan, *, gpu_type: str | None) -> None:
        return

    def expect_records(self) -> None:
        return

    def was_abandoned(self, run_id: str) -> bool:
        return False

    def looking_up(self) -> AbstractContextManager[None]:
        return nullcontext()

    def retry(self, run_id: SpawnedTask | str, changes: RetryChanges | None = None) -> SpawnedTask:
        run_id = run_id_of(run_id)
        if self.retry_errors:
            raise self.retry_errors.pop()
        self.retried.append((run_id, changes or RetryChanges()))
        self.scripts[run_id].failures.pop(0)
        self._begin(run_id)
        return SpawnedTask(run_id=run_id, job_id=f"again-{run_id}", backend=self.backend)

    def bad_nodes(self, state: RunState) -> list[str]:
        return [state.nodes] if state.nodes else []

    def end_sweep(self, sweep_id: str, why: Failure) -> None:
        self.ended_sweeps += 1

    def show_alive(self, sweep_id: str) -> None:
        self.shown_alive_after.append(len(self.spawned))

    @contextlib.contextmanager
    def holding_lease(self, sweep_id: str) -> Iterator[None]:
        self.leases.append(sweep_id)
        yield
        self.leases.remove(sweep_id)

    def ended_folders(self, run_ids: Sequence[str]) -> set[Path]:
        return {self.ended_folder}

    def go_on(self, state: RunState) -> bool:
        script = self.scripts[state.run_id]
        self.resubmitted.append(state.run_id)
        if script.interruptions > self.restarts:
            return False
        script.interruptions -= 1
        self._begin(state.run_id)
        return True

    def write_record(self, run_id: str) -> None:
        """As a job does in its last act."""
        number = 1 + self.resubmitted.count(run_id)
        (self.ended_folder / f"{run_id}.{number}.json").touch()

    def at(self, delay_s: float, action: Callable[[], None]) -> None:
        """Let something happen later."""
        self.clock.after(delay_s, action)

    def _begin(self, run_id: str) -> None:
        script = self.scripts[run_id]
        script.began_s = self.clock.now_s
        if script.leaves_record:
            os.makedirs(self.ended_folder, exist_ok=True)  # noqa: PTH103
            self.at(script.duration_s, lambda: self.write_record(run_id))

    def _state(self, run_id: str) -> RunState:
        self._refuse_vanished(run_id)
        script = self.scripts[run_id]
        assert script.began_s is not None
        if self.clock.now_s < script.began_s + script.duration_s:
            begun = self.clock.now_s >= script.began_s + script.begins_s
            return RunState(run_id=run_id, status="running" if begun else "pending", final=False)
        if script.interruptions:
            return RunState(run_id=run_id, status="failed", final=True, resumable=True)
        if script.failures:
            why = failure(script.failures[0], "as the script says")
            return RunState(
                run_id=run_id, status="failed", final=True, failure=why, nodes=script.nodes
            )
        return RunState(run_id=run_id, status=script.outcome, final=True)

    def _found(self, run_id: str) -> Found:
        try:
            return self._state(run_id)
        except RunError as error:
            return error

    def _open(self) -> list[str]:
        begun = [name for name, script in self.scripts.items() if script.began_s is not None]
        known = [run_id for run_id in begun if run_id not in self.vanished]
        return [run_id for run_id in known if not self._state(run_id).final]

    def _refuse_vanished(self, run_id: str) -> None:
        if run_id in self.vanished:
            raise UnknownRunError(f"no run {run_id!r}")
