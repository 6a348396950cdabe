"""The recorded runs of one backend, in folders on a file system (see `paths`)."""

import logging
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Protocol

from tmgg.errors import (
    ConfigError,
    NotEndedError,
)
from tmgg.experiment_utils.cloud.backend import Backend, BackendTraits, NodeCritic
from tmgg.experiment_utils.cloud.judging.hiccup_wait import wait_out
from tmgg.experiment_utils.cloud.judging.judge import Judge
from tmgg.experiment_utils.cloud.judging.polling import Found
from tmgg.experiment_utils.cloud.judging.results import make_result
from tmgg.experiment_utils.cloud.runs import (
    ExperimentResult,
    RunState,
    SpawnedTask,
    SweepMode,
    TaskRequest,
)
from tmgg.experiment_utils.cloud.runs_on_record.requests import task_of
from tmgg.experiment_utils.cloud.runs_on_record.run_canceller import RunCanceller
from tmgg.experiment_utils.cloud.runs_on_record.run_finder import RunFinder
from tmgg.experiment_utils.cloud.runs_on_record.run_poller import RunPoller
from tmgg.experiment_utils.cloud.runs_on_record.run_submitter import RunSubmitter
from tmgg.experiment_utils.cloud.runs_on_record.waiting import Clock
from tmgg.experiment_utils.cloud.sweep import matching
from tmgg.experiment_utils.cloud.sweep import records as sweep_records
from tmgg.experiment_utils.cloud.sweep.dispatch import Dispatcher, SeparateDispatcher
from tmgg.experiment_utils.cloud.sweep.earlier_runs import EarlierRuns, has_failed
from tmgg.experiment_utils.cloud.sweep.foresight import Foresight
from tmgg.experiment_utils.cloud.sweep.matching_report import render_matching
from tmgg.experiment_utils.cloud.sweep.plan import SweepPlan, refuse_existing
from tmgg.experiment_utils.cloud.sweep.policy import RetryChanges
from tmgg.experiment_utils.cloud.sweep.refusal import SweepRefusal
from tmgg.experiment_utils.cloud.sweep.resume_lock import ResumeLock
from tmgg.experiment_utils.files.locks import LockLostError
from tmgg.experiment_utils.run_folder.attempts import AttemptRequest
from tmgg.experiment_utils.run_folder.failures import Failure, failure
from tmgg.experiment_utils.run_folder.paths import RunPaths
from tmgg.experiment_utils.run_folder.readable import reading, recorded_runs, taken_names
from tmgg.experiment_utils.run_folder.sweeps import sweep_of_all

log = logging.getLogger(__name__)


class MakeDispatcher(Protocol):
    """Makes the dispatcher with which a backend submits the runs of one sweep."""

    def __call__(
        self, runs: "RecordedRuns", plan: SweepPlan, *, gpu_type: str | None, resume: bool
    ) -> Dispatcher:
        """Raises ConfigError for options with which the sweep cannot be submitted."""
        ...


class RecordedRuns:
    """See `RunControl`. Records, evidence and verdicts are handled alike for all backends."""

    def __init__(
        self,
        backend: Backend,
        dispatchers: Mapping[SweepMode, MakeDispatcher] | None = None,
        *,
        clock: Clock | None = None,
    ) -> None:
        self.backend = backend
        self._dispatchers = dict(dispatchers or {})
        self.finder = RunFinder(backend.traits.name, backend.traits.output_dir)
        self._judge = judge = Judge(backend)
        self.poller = RunPoller(backend, self.finder, judge)
        self.submitter = RunSubmitter(backend, self.finder, judge, self.poller)
        self.canceller = RunCanceller(backend, self.finder, judge, self.poller)
        self._resume_lock = ResumeLock()
        self._noted: set[str] = set()
        """The runs that this object has put on record for a sweep, and not submitted yet."""
        self._clock = clock or Clock()
        self.foresight = Foresight(backend, self.existing)

    def in_folder(self, output_dir: Path) -> "RecordedRuns":
        """The runs of the same backend in another folder."""
        self.backend.traits = replace(self.backend.traits, output_dir=output_dir)
        return RecordedRuns(self.backend, self._dispatchers, clock=self._clock)

    @property
    def traits(self) -> BackendTraits:
        return self.backend.traits

    @property
    def poll_interval_s(self) -> float:
        return self.traits.poll_interval_s

    def spawn(self, request: TaskRequest, *, gpu_type: str | None, resume: bool) -> SpawnedTask:
        return self.submitter.spawn(request, gpu_type=gpu_type, resume=resume)

    def retry(
        self,
        run_id: str,
        changes: RetryChanges | None = None,
        *,
        asked: AttemptRequest | None = None,
    ) -> SpawnedTask:
        """See `RunControl`; `asked` is what differs from the attempt before."""
        return self.submitter.retry(run_id, changes, asked)

    def go_on(self, state: RunState) -> bool:
        return self.submitter.go_on(state)

    def poll(self, run_ids: Sequence[str]) -> list[RunState]:
        return self.poller.poll(run_ids)

    def poll_each(self, run_ids: Sequence[str]) -> list[Found]:
        return self.poller.poll_each(run_ids)

    def ended_folders(self, run_ids: Sequence[str]) -> set[Path]:
        return self.finder.ended_folders(run_ids)

    def collect(self, run_id: str) -> ExperimentResult:
        state = self.poll([run_id])[0]
        if not state.final:
            raise NotEndedError(f"run {run_id!r} has not ended: it is {state.status}. Wait for it.")
        submission = self.finder.submission(run_id)
        return make_result(submission, state, self._judge.take_result(submission))

    def result_of(self, ended: RunState) -> ExperimentResult:
        submission = self.finder.submission(ended.run_id)
        if self._judge.end_of(submission) != ended:
            return self.collect(ended.run_id)  # it was submitted again since then
        output = self._judge.take_result(submission)
        if output is None and ended.status == "completed":
            return self.collect(ended.run_id)  # another run was made under its name
        return make_result(submission, ended, output)

    def cancel_all(self, run_ids: Sequence[str], *, why: str = "") -> list[bool]:
        return self.canceller.cancel_all(run_ids, why)

    def bad_nodes(self, state: RunState) -> list[str]:
        if not isinstance(self.backend, NodeCritic):
            return []
        return self.backend.bad_nodes(state.nodes)

    def was_abandoned(self, run_id: str) -> bool:
        return self._judge.is_abandoned(self.finder.submission(run_id))

    def looking_up(self) -> AbstractContextManager[None]:
        return self._resume_lock.held(self.traits.output_dir, self._clock)

    def expect_records(self) -> None:
        self.existing([])

    def existing(self, run_ids: Sequence[str]) -> list[str]:
        folder = self.traits.output_dir
        taken = wait_out(partial(taken_names, folder), folder, self._clock)
        return [run_id for run_id in run_ids if run_id in taken]

    def match_earlier(
        self,
        requests: Sequence[TaskRequest],
        *,
        rerun_changed_code: bool = False,
        say: Callable[[str], None] = log.warning,
        launched: Collection[str] = (),
    ) -> matching.Resumed:
        folder = self.traits.output_dir

        def match() -> matching.Matching:
            runs = EarlierRuns(folder, self.poll_each, launched=launched)
            return _match(self.traits, requests, runs, rerun=rerun_changed_code)

        found = wait_out(match, folder, self._clock)
        self._refuse_copies(found.states)
        for line in render_matching(found):
            say(line)
        kept = {
            run_id: state
            for run_id, state in found.states.items()
            if isinstance(state, RunState) and not has_failed(state)
        }
        return matching.Resumed(requests=found.requests, states=kept)

    def _refuse_copies(self, states: Mapping[str, Found]) -> None:
        """Raise ConfigError for copied runs: their jobs write to the original folder, not here."""
        for run_id, state in states.items():
            if isinstance(state, RunState) and not state.final:
                copied = self._judge.copied(self.finder.submission(run_id))
                if copied:
                    raise ConfigError(f"resume: run {run_id} goes on, and {copied}.")

    def dispatcher(self, plan: SweepPlan, *, gpu_type: str | None, resume: bool) -> Dispatcher:
        run_ids = [str(request.run_id) for request in plan.requests]
        make = self._dispatchers.get(plan.mode)
        # First: making it refuses options that exclude each other, without asking the backend.
        made = None if make is None else make(self, plan, gpu_type=gpu_type, resume=resume)
        self.foresight.refuse_early(run_ids, plan.mode, gpu_type=gpu_type, resume=resume)
        if made is not None:
            return made

        refusal = SweepRefusal()

        def spawn(request: TaskRequest) -> SpawnedTask:
            # Submitting thousands of runs takes longer than a lease lasts without renewal.
            self.show_alive(plan.sweep_id)
            with refusal.noted():
                spawned = self.submitter.spawn(
                    request,
                    gpu_type=gpu_type,
                    resume=resume,
                    sweep_id=plan.sweep_id,
                    refused=refusal.known,
                    is_noted=request.run_id in self._noted,
                )
            self._noted.discard(spawned.run_id)
            return spawned

        return SeparateDispatcher(spawn, parallelism=plan.parallelism)

    def note_sweep(self, plan: SweepPlan, *, gpu_type: str | None) -> None:
        run_ids = [str(request.run_id) for request in plan.requests]
        # Only one process can record a sweep, and thus run ids that are made of the sweep's id.
        # For ids that the caller chose it has to look and record under the lock.
        is_safe = plan.is_resumed or sweep_of_all(run_ids) == plan.sweep_id
        with nullcontext() if is_safe else self.looking_up():
            folder = self.traits.output_dir
            existing = set(self.existing(run_ids))
            if not plan.is_resumed:
                refuse_existing(sorted(existing))
            new = [request for request in plan.requests if request.run_id not in existing]
            timeout_s = self.traits.default_timeout_s
            tasks = [(task_of(each, default_timeout_s=timeout_s), each.payload) for each in new]
            # Then the runs need not be looked for while the file system does not answer.
            for request in new:
                self.finder.knows(RunPaths(folder, str(request.run_id)))
            record = self.submitter.new_record("", gpu_type=gpu_type)
            self._resume_lock.check(must_be_held=plan.is_resumed)
            try:
                wait_out(
                    lambda: sweep_records.note_sweep(folder, record, plan, tasks),
                    folder,
                    self._clock,
                )
            except BaseException:
                # A later poll, as after Ctrl-C, must not take them for runs that are unreadable.
                for request in new:
                    self.finder.forgets(str(request.run_id))
                raise
            try:
                self._resume_lock.check(must_be_held=plan.is_resumed)
            except LockLostError as error:
                # The process that has the lock now may have seen these runs.
                sweep_records.give_up(folder, plan.sweep_id, failure("submission", str(error)))
                raise
            self._resume_lock.release()
        self._noted.update(str(request.run_id) for request in new)

    def end_sweep(self, sweep_id: str, why: Failure) -> None:
        sweep_records.end_waiting(self.traits.output_dir, sweep_id, why)

    def show_alive(self, sweep_id: str) -> None:
        sweep_records.show_alive(self.traits.output_dir, sweep_id)

    def holding_lease(self, sweep_id: str) -> AbstractContextManager[None]:
        return sweep_records.holding_lease(self.traits.output_dir, sweep_id)


def _match(
    traits: BackendTraits, requests: Sequence[TaskRequest], runs: EarlierRuns, *, rerun: bool
) -> matching.Matching:
    with reading(traits.output_dir):
        recorded = {paths.run_id for paths in recorded_runs(traits.output_dir)}
        return matching.match_earlier(
            runs, traits.base_dir, requests, recorded, rerun_changed_code=rerun
        )
