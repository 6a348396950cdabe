"""Drives a sweep: submits when there is room, collects when runs end, does what the policy says.

The modes differ only in their dispatcher. Waiting, retries and stopping after failures are the same
for all modes, and are here.
"""

import contextlib
import logging
import textwrap
from collections import Counter, deque
from collections.abc import Iterator, Sequence
from dataclasses import replace

from tmgg.errors import (
    NotEndedError,
    RemovedRunError,
    RunError,
    RunExistsError,
    SubmissionError,
    SubmissionUnknownError,
    SubmitLimitError,
    TmggError,
)
from tmgg.experiment_utils.cloud.runs import ExperimentResult, OnUpdate, RunState, TaskRequest
from tmgg.experiment_utils.cloud.runs_on_record import waiting
from tmgg.experiment_utils.cloud.runs_on_record.run_control import RunControl
from tmgg.experiment_utils.cloud.sweep.dispatch import Dispatched, PatientDispatch
from tmgg.experiment_utils.cloud.sweep.policy import RetryChanges
from tmgg.experiment_utils.cloud.sweep.recorded_plan import RecordedPlan
from tmgg.experiment_utils.error_text import text_of
from tmgg.experiment_utils.files.hiccups import Hiccups
from tmgg.experiment_utils.run_folder.failures import (
    Failure,
    HintName,
    failure,
    is_outage,
    not_started,
)

log = logging.getLogger(__name__)

FIRST_HOLD_S = 2.0
LONGEST_HOLD_S = 30.0
LONGEST_NOTE = 100


class Sweep:
    """One sweep in one process."""

    def __init__(
        self,
        runs: RunControl,
        recorded: RecordedPlan,
        *,
        watch: waiting.Watch[str],
        clock: waiting.Clock,
    ) -> None:
        plan = recorded.plan
        self._runs = runs
        self._takes_over = plan.is_resumed
        """Whether it also submits runs that another launcher left unsubmitted."""
        self._sweep_id = plan.sweep_id
        self._requests = {str(request.run_id): request for request in plan.requests}
        self._dispatcher = PatientDispatch(recorded.dispatcher, Hiccups(clock.monotonic))
        self._policy = plan.policy
        self._watch = watch
        self._clock = clock
        self._waiting = deque(plan.requests)
        self._retrying: deque[str] = deque()
        self._last_state: dict[str, RunState] = {}
        """The final states of runs that are to be submitted again."""
        self._begun_count = 0
        """How many runs have ended after they had begun."""
        self._begun_before: dict[str, int] = {}
        """`_begun_count` at the time when a run was last submitted again, by run id."""
        self._changes: dict[str, RetryChanges] = {}
        self._tries: Counter[str] = Counter()
        self._failures = 0
        self._stopped = False
        self._held = ""
        self._hiccups = Hiccups(clock.monotonic)
        self.results: dict[str, ExperimentResult] = {}

    def run(self) -> list[ExperimentResult]:
        """Drive the sweep until the last run has ended; returns the results, in order."""
        with self._runs.holding_lease(self._sweep_id), self._noting_what_is_left():
            while self._waiting or self._retrying or self._watch.open_count:
                self._dispatch()
                self._take_results()
        return [self.results[run_id] for run_id in self._requests]

    def submit(self) -> None:
        """Submit runs until the last is submitted. Results of ended runs are not collected here."""
        with self._runs.holding_lease(self._sweep_id), self._noting_what_is_left():
            while self._waiting:
                self._dispatch()
                if self._waiting:
                    for _ended in self._next_ended():
                        continue

    @contextlib.contextmanager
    def _noting_what_is_left(self) -> Iterator[None]:
        """Add to an exception, for example of Ctrl-C, how many runs it leaves unsubmitted."""
        try:
            yield
        except BaseException as error:
            if self._waiting:
                error.add_note(
                    f"{len(self._waiting)} of {len(self._requests)} runs of sweep {self._sweep_id} "
                    f"were not submitted; when this process has ended, tmgg-jobs retry "
                    f"{self._sweep_id} submits them, and those that failed"
                )
            raise

    def _dispatch(self) -> None:
        """Submit what can be submitted; wait and try again only while no run is under way.

        If the backend takes no run for `submit_patience_s`, the waiting runs are refused.
        """
        held_s, wait_s = 0.0, FIRST_HOLD_S
        while True:
            self._runs.show_alive(self._sweep_id)
            held = self._retry_waiting() or self._dispatch_waiting()
            self._say_held(held)
            if not held or self._watch.open_count:
                return
            if held_s >= self._runs.traits.submit_patience_s:
                self._refuse_waiting(held)
                return
            self._clock.sleep(wait_s)
            held_s, wait_s = held_s + wait_s, min(wait_s * 2, LONGEST_HOLD_S)

    def _dispatch_waiting(self) -> str:
        while self._waiting:
            done = self._dispatcher.dispatch(list(self._waiting), open_count=self._watch.open_count)
            if gone := done.run_ids:
                left = (each for each in self._waiting if str(each.run_id) not in gone)
                self._waiting = deque(left)
            for run_id, job_id in done.launched.items():
                self._watch.add(run_id, job_id)
            for run_id, words in done.refused.items():
                self._end(run_id, _failed(self._requests[run_id], failure("submission", words)))
            if not done.refused:
                return done.held if self._waiting else ""
        return ""

    def _say_held(self, words: str) -> None:
        waiting = [str(request.run_id) for request in self._waiting] if words else []
        held = [*waiting, *self._retrying]
        if words and words != self._held:
            log.warning("%d run%s held back: %s", len(held), _are(len(held)), words)
        self._held = words
        # The log has the whole message once. The note is short, as each status line repeats it.
        shown = textwrap.shorten(words, LONGEST_NOTE, placeholder=" ...")
        note = f"held back: {shown}" if words else "submitted again once the others have ended"
        self._watch.show_held(held, note=note)

    def _refuse_waiting(self, words: str) -> None:
        why = failure("submission", f"Nothing of the sweep is under way, and still: {words}")
        self._runs.end_sweep(self._sweep_id, why)
        # Copied and cleared first: the policy may end the sweep at any of these results.
        waiting, retrying = list(self._waiting), list(self._retrying)
        self._waiting.clear()
        self._retrying.clear()
        self._watch.show_held([], note="")
        for request in waiting:
            self._end(str(request.run_id), _failed(request, why))
        for run_id in retrying:
            self._take(run_id)

    def _take_results(self) -> None:
        for state in self._next_ended():
            why = state.failure
            self._begun_count += why is None or why.kind != "not_started"
            if why is not None and self._may_retry(state.run_id, why):
                self._plan_retry(state, why)
            else:
                self._take(state.run_id, state)

    def _take(self, run_id: str, ended: RunState | None = None) -> None:
        """Take the result of a run that has ended; `ended` is its final state, if just polled."""
        try:
            result = self._runs.result_of(ended) if ended else self._runs.collect(run_id)
        except NotEndedError as error:
            log.info("%s", error)  # another process submitted it again just now
            self._watch.add(run_id)
        except (TmggError, OSError) as error:
            if self._hiccups.bearable(run_id, error):
                log.warning("the result of run %s cannot be read now: %s", run_id, error)
                self._watch.add(run_id)
                return
            self._end(run_id, self._lost(run_id, error))
        else:
            self._end(run_id, result)

    def _next_ended(self) -> Iterator[RunState]:
        """Runs that have ended. A run with an unreadable record fails; the others go on."""
        try:
            ended = self._watch.next_ended()
        except RunError:
            broken = self._broken_runs()
            if not broken:
                raise
            for run_id, error in broken.items():
                self._watch.drop(run_id)
                self._end(run_id, self._lost(run_id, error))
            return
        yield from ended

    def _broken_runs(self) -> dict[str, RunError]:
        run_ids = self._watch.open_runs
        found = zip(run_ids, self._runs.poll_each(run_ids), strict=True)
        return {run_id: error for run_id, error in found if isinstance(error, RunError)}

    def _lost(self, run_id: str, error: Exception) -> ExperimentResult:
        hint: HintName | None = "removed" if isinstance(error, RemovedRunError) else None
        return _failed(self._requests[run_id], failure("lost", str(error), hint=hint))

    def _may_retry(self, run_id: str, why: Failure) -> bool:
        if self._stopped:
            return False
        if self._takes_over and why.kind == "submission" and self._runs.was_abandoned(run_id):
            return True
        if why.kind == "not_started":
            # It never began. When the others have ended, `_is_hopeless` decides whether to retry.
            return self._policy.retries > 0
        return self._policy.retries_failure(why.kind) and self._tries[run_id] < self._policy.retries

    def _plan_retry(self, state: RunState, why: Failure) -> None:
        run_id = state.run_id
        self._tries[run_id] += why.kind not in ("not_started", "submission")
        self._last_state[run_id] = state
        before = self._changes.get(run_id, RetryChanges())
        bad = tuple(self._runs.bad_nodes(state)) if why.kind == "node_fail" else ()
        self._changes[run_id] = before.after(why.kind, bad, self._policy)
        log.info("run %s failed (%s); it is submitted again", run_id, why.kind)
        self._retrying.append(run_id)

    def _retry_waiting(self) -> str:
        if self._dispatcher.retries_together:
            return self._retry_together()
        while self._retrying:
            run_id = self._retrying[0]
            try:
                job_id = self._runs.retry(run_id, self._changes[run_id]).job_id
            except SubmitLimitError as error:
                return str(error)
            except SubmissionUnknownError as error:
                log.warning("%s", error)  # the backend may have the job; polling shows whether
                job_id = None
            except RunExistsError as error:
                log.info("%s", error)  # another process was first; polling shows its job
                job_id = None
            except (TmggError, OSError) as error:
                if self._hiccups.bearable(run_id, error):
                    return str(error)
                log.warning("run %s could not be submitted again: %s", run_id, error)
                if isinstance(error, SubmissionError) and self._changes[run_id].exclude_nodes:
                    # There may be too few nodes if the bad ones are excluded.
                    self._changes[run_id] = replace(self._changes[run_id], exclude_nodes=())
                    continue
                self._retrying.popleft()
                self._take(run_id)
                continue
            self._retrying.popleft()
            self._watch.add(run_id, job_id)
        return ""

    def _retry_together(self) -> str:
        if not self._retrying or self._watch.open_count:
            return ""
        self._end_hopeless()
        states = [self._last_state[run_id] for run_id in self._retrying]
        changes = [self._changes[run_id] for run_id in self._retrying]
        done = self._dispatcher.retry(states, changes) if states else Dispatched()
        for run_id, job_id in done.launched.items():
            self._begun_before[run_id] = self._begun_count
            self._watch.add(run_id, job_id)
        for run_id, words in done.refused.items():
            log.warning("run %s could not be submitted again: %s", run_id, words)
            self._take(run_id)
        self._retrying = deque(each for each in self._retrying if each not in done.run_ids)
        return done.held

    def _end_hopeless(self) -> None:
        """End the runs for which another try is hopeless; see `_is_hopeless`."""
        hopeless = {run_id: None for run_id in self._retrying if self._is_hopeless(run_id)}
        self._retrying = deque(each for each in self._retrying if each not in hopeless)
        for run_id in hopeless:
            self._take(run_id)

    def _is_hopeless(self, run_id: str) -> bool:
        why = self._last_state[run_id].failure
        unbegun = why is not None and why.kind == "not_started"
        return unbegun and self._begun_count <= self._begun_before.get(run_id, 0)

    def _end(self, run_id: str, result: ExperimentResult) -> None:
        self.results[run_id] = result
        self._failures += result.status == "failed" and not is_outage(result.failure)
        limit = self._policy.max_failures
        if limit is not None and self._failures >= limit and not self._stopped:
            self._stop(f"the sweep ended after {self._failures} failed runs (max_failures={limit})")

    def _stop(self, why: str) -> None:
        """Start no more runs; running ones go on to their end."""
        self._stopped = True
        log.warning("%s", why)
        cancelled = not_started(why)
        if self._waiting:
            self._runs.end_sweep(self._sweep_id, cancelled)
        for request in self._waiting:
            self.results[str(request.run_id)] = _failed(request, cancelled)
        for run_id in self._retrying:
            self._take(run_id)
        self._waiting.clear()
        self._retrying.clear()
        try:
            self._runs.cancel_all(self._watch.pending_runs, why=why)
        except (TmggError, OSError) as error:
            log.warning("%s, but the runs in the queue could not be cancelled: %s", why, error)


def make_sweep(runs: RunControl, recorded: RecordedPlan, *, on_update: OnUpdate | None) -> Sweep:
    """The sweep of a plan that is on record."""
    plan = recorded.plan
    clock = waiting.Clock()
    warned: set[str] = set()

    def seen(states: Sequence[RunState]) -> None:
        runs.show_alive(plan.sweep_id)
        if on_update is not None:
            _show(on_update, states, warned)

    watch = waiting.Watch(runs, on_update=seen, clock=clock)
    return Sweep(runs, recorded, watch=watch, clock=clock)


def _show(on_update: OnUpdate, states: Sequence[RunState], warned: set[str]) -> None:
    """Call `on_update`, which only shows the sweep. If it fails, the sweep goes on.

    `warned` holds the messages of the failures so far; each is logged once.
    """
    try:
        on_update(states)
    except Exception as error:  # the caller's function may raise anything
        words = f"{type(error).__name__}: {text_of(error)}"
        if words not in warned:
            warned.add(words)
            log.warning("on_update failed, and the sweep goes on: %s", words)


def _are(count: int) -> str:
    return " is" if count == 1 else "s are"


def _failed(request: TaskRequest, why: Failure) -> ExperimentResult:
    return ExperimentResult(
        run_id=str(request.run_id),
        config=dict(request.config),
        status="failed",
        error_message=f"{why.message}\nHINT: {why.hint}",
        failure=why,
    )
