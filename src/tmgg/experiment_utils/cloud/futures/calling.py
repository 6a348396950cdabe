"""Submitting calls: `runner.submit`, `runner.map`, `runner.batch` and `runner.future`."""

import logging
from collections.abc import Callable, Iterable, Sequence
from types import TracebackType
from typing import Any, TypeVar

from tmgg.errors import ConfigError, SubmissionUnknownError
from tmgg.experiment_utils.calls.job import TARGET
from tmgg.experiment_utils.calls.packing import CallPacker, PackedCall
from tmgg.experiment_utils.cloud.backend import BackendTraits
from tmgg.experiment_utils.cloud.futures.call_future import RunFuture
from tmgg.experiment_utils.cloud.futures.call_group import CallGroup
from tmgg.experiment_utils.cloud.futures.call_watcher import CallWatcher
from tmgg.experiment_utils.cloud.runs import CallOptions, SweepMode, TaskRequest
from tmgg.experiment_utils.cloud.runs_on_record.requests import as_request
from tmgg.experiment_utils.cloud.runs_on_record.run_control import RunControl
from tmgg.experiment_utils.cloud.runs_on_record.spawning import spawn_checked
from tmgg.experiment_utils.cloud.sweep.plan import SweepOptions
from tmgg.experiment_utils.cloud.sweep.recorded_plan import record_sweep

log = logging.getLogger(__name__)

T = TypeVar("T")


class Calls:
    """The calls of one runner."""

    def __init__(self, runs: RunControl) -> None:
        self._runs = runs
        self.watcher = CallWatcher(runs)

    def submit(
        self, function: Callable[..., T], args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> RunFuture[T]:
        """Submit one call as one run. Raises TaskError, ConfigError or BackendError.

        Nothing runs if it raises.
        """
        request = as_request(_request(CallPacker(function).pack(args, kwargs)))
        future: RunFuture[T] = RunFuture(self._runs, str(request.run_id))
        try:
            spawn_checked(self._runs, request, gpu_type=None, resume=False)
        except SubmissionUnknownError as error:
            log.warning("%s", error)  # the backend may have the job; polling shows whether it has
        self.watcher.watch({future.run_id: future})
        return future

    def map(
        self,
        function: Callable[..., T],
        iterables: Sequence[Iterable[Any]],
        options: CallOptions,
    ) -> list[RunFuture[T]]:
        """Submit a call for each item of the iterables, as the runs of one sweep."""
        return self.submit_all(pack_map(function, iterables), options)

    def submit_all(self, calls: Sequence[PackedCall], options: CallOptions) -> list[RunFuture[Any]]:
        """Submit the calls as the runs of one sweep; returns their futures, in order."""
        if not calls:
            return []
        group = self._group(calls, options)
        try:
            launched = group.dispatch()
        except BaseException as error:  # also Ctrl-C: this may take long for many calls
            group.give_up(error)
            raise
        if group.held:
            log.warning("not all calls are submitted yet: %s", group.held)
        self.watcher.watch(launched, group)
        return list(group.futures.values())

    def batch(self, options: CallOptions) -> "CallBatch":
        """A batch that collects calls before it submits them."""
        return CallBatch(self, options)

    def reattach(self, run_id: str) -> RunFuture[Any]:
        """A future of a call that is on record; raises UnknownRunError."""
        self._runs.poll([run_id])
        return self.reopen(run_id)

    def reopen(self, run_id: str, *, is_cancelled: bool = False) -> RunFuture[Any]:
        """A future of a call that is certainly on record. The backend is not asked now."""
        future: RunFuture[Any] = RunFuture(self._runs, run_id)
        if is_cancelled:
            future.count_as_cancelled()
        else:
            self.watcher.watch({run_id: future})
        return future

    def _group(self, calls: Sequence[PackedCall], asked: CallOptions) -> CallGroup:
        """Record the calls as a sweep."""
        options = sweep_options(self._runs.traits, asked, len(calls))
        recorded = record_sweep(self._runs, [_request(call) for call in calls], options)
        return CallGroup(self._runs, recorded)


def pack_map(
    function: Callable[..., object], iterables: Sequence[Iterable[Any]]
) -> list[PackedCall]:
    """The calls of `map(function, *iterables)`."""
    if not iterables:
        raise ConfigError("map needs at least one list of arguments, as the built-in map does")
    packer = CallPacker(function)
    return [packer.pack(args, {}) for args in zip(*iterables, strict=False)]


class CallBatch:
    """Calls of any functions; they are submitted together at the end of a `with` block."""

    def __init__(self, calls: Calls, options: CallOptions) -> None:
        self._submitter = calls
        self._options = options
        self._calls: list[PackedCall] = []
        self.futures: list[RunFuture[Any]] = []
        """In the order of the calls; filled when the block has ended."""

    def add(self, function: Callable[..., object], /, *args: Any, **kwargs: Any) -> int:
        """Add a call; returns the index that its future will have in `futures`."""
        self._calls.append(CallPacker(function).pack(args, kwargs))
        return len(self._calls) - 1

    def __enter__(self) -> "CallBatch":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if kind is None:
            self.futures = self._submitter.submit_all(self._calls, self._options)


def _request(call: PackedCall) -> TaskRequest:
    return TaskRequest(
        config=call.config(),
        target=TARGET,
        payload=call.payload,
        title=call.title,
        identity=call.identity,
    )


def sweep_options(traits: BackendTraits, asked: CallOptions, count: int) -> SweepOptions:
    """The sweep options for `count` calls: those of `asked`, with defaults for the others.

    The default mode is one job array if the backend has arrays, unless the runner's own default
    mode is another one than `separate`.
    """
    has_arrays = traits.default_sweep_mode == "separate" and "array" in traits.sweep_modes
    mode: SweepMode = "array" if has_arrays else traits.default_sweep_mode
    most = traits.map_parallelism
    return SweepOptions(
        mode=asked.mode or mode,
        parallelism=asked.parallelism or (count if most is None else min(count, most)),
        gpu_type=asked.gpu_type,
        timeout_seconds=asked.timeout_seconds,
        resume=asked.resume,
        rerun_changed_code=asked.rerun_changed_code,
    )
