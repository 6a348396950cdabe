"""The interface that users call, the same for all backends. It only calls the parts."""

from collections.abc import Callable, Iterable, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, ParamSpec, TypeVar

from tmgg.experiment_utils.cloud.judging.polling import Found
from tmgg.experiment_utils.cloud.runs import (
    CallOptions,
    ExperimentResult,
    OnUpdate,
    RunState,
    SpawnedSweep,
    SpawnedTask,
    Status,
    SweepMode,
    TaskRequest,
    run_id_of,
)
from tmgg.experiment_utils.cloud.runs_on_record import waiting
from tmgg.experiment_utils.cloud.runs_on_record.requests import as_request
from tmgg.experiment_utils.cloud.runs_on_record.run_control import RunControl
from tmgg.experiment_utils.cloud.runs_on_record.spawning import spawn_checked
from tmgg.experiment_utils.cloud.sweep.driver import Sweep, make_sweep
from tmgg.experiment_utils.cloud.sweep.plan import SweepOptions, SweepPlan
from tmgg.experiment_utils.cloud.sweep.planning import plan_sweep
from tmgg.experiment_utils.cloud.sweep.policy import RetryChanges, SweepPolicy
from tmgg.experiment_utils.cloud.sweep.recorded_plan import record_sweep
from tmgg.experiment_utils.run_folder.task import ConfigLike

if TYPE_CHECKING:
    from tmgg.experiment_utils.cloud.futures.call_future import RunFuture
    from tmgg.experiment_utils.cloud.futures.calling import CallBatch, Calls

T = TypeVar("T")
Params = ParamSpec("Params")


class CloudRunner:
    """Runs experiments on one backend. It holds no state that is not also on the runs' records."""

    def __init__(self, runs: RunControl) -> None:
        """`runs` are the runs of one backend (see `recorded.RecordedRuns`)."""
        self.runs = runs

    @property
    def backend(self) -> str:
        """Name in the factory and on records."""
        return self.runs.traits.name

    @property
    def output_dir(self) -> Path:
        """Folder of new runs; an absolute path."""
        return self.runs.traits.output_dir

    @property
    def base_dir(self) -> Path:
        """Working directory of new runs."""
        return self.runs.traits.base_dir

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

        With `resume=True` the run id may exist already, for a run of the same content: a run that
        goes on or has completed is returned as it is; a failed run is submitted again, with today's
        code and options. Raises TaskError, ConfigError, RunExistsError or BackendError; then
        nothing runs.
        """
        request = as_request(config, timeout_seconds=timeout_seconds, run_id=run_id)
        return spawn_checked(self.runs, request, gpu_type=gpu_type, resume=resume)

    def get_status(self, run_id: SpawnedTask | str) -> Status:
        """`pending`, `running`, `completed` or `failed`; works from any process."""
        return self.poll([run_id_of(run_id)])[0].status

    def get_result(
        self,
        spawned: SpawnedTask | str,
        config: ConfigLike | None = None,
        *,
        on_update: OnUpdate | None = None,
    ) -> ExperimentResult:
        """Wait for a run to end and return its result.

        `config` is not used, because the record has the config.
        """
        (ended,) = waiting.wait(self.runs, [run_id_of(spawned)], on_update=on_update)
        return self.runs.result_of(ended)

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
        rerun_changed_code: bool = False,
        share_output_dir: bool = False,
        name: str = "",
        metric: str | None = None,
        metric_mode: Literal["min", "max"] = "min",
        on_update: OnUpdate | None = None,
    ) -> list[ExperimentResult]:
        """Run all, at most `parallelism` at once; one result per config, in order.

        All configs are checked before the first is submitted. A run that fails, or that the
        backend refuses, has a failed result; the other runs go on, unless `policy` says otherwise.
        `mode` says how the runs are submitted; None means the runner's default. `packed` makes one
        job, whose size decides how many runs are under way at once. `resume=True` runs only
        what is missing or failed: an earlier run with the same content is used instead of a new
        one, also if its run id differs. Failed runs are submitted again, with the code and options
        of this call. `rerun_changed_code=True` also runs those again that another version of the
        program's code made. Two configs with the same `output_dir` are refused, unless
        `share_output_dir=True`. `tmgg-jobs` also finds the sweep by `name`, and ranks its runs by
        `metric`.
        """
        options = SweepOptions(
            mode=mode,
            parallelism=parallelism,
            policy=policy or SweepPolicy(),
            gpu_type=gpu_type,
            timeout_seconds=timeout_seconds,
            resume=resume,
            rerun_changed_code=rerun_changed_code,
            share_output_dir=share_output_dir,
            name=name,
            metric=metric,
            metric_mode=metric_mode,
        )
        _plan, sweep = self._prepare(configs, options, on_update)
        return [] if sweep is None else sweep.run()

    def spawn_sweep(
        self,
        configs: Sequence[ConfigLike | TaskRequest],
        *,
        mode: SweepMode | None = None,
        parallelism: int = 4,
        gpu_type: str | None = None,
        timeout_seconds: int | None = None,
        resume: bool = False,
        rerun_changed_code: bool = False,
        share_output_dir: bool = False,
        name: str = "",
        metric: str | None = None,
        metric_mode: Literal["min", "max"] = "min",
        on_update: OnUpdate | None = None,
    ) -> SpawnedSweep:
        """As `run_sweep`, but return once all are submitted; `tmgg-jobs wait SWEEP` waits.

        In `array` mode the scheduler limits the sweep to `parallelism`; in `separate` mode all runs
        are submitted at once. There is no policy, because no process waits for the runs.
        """
        options = SweepOptions(
            mode=mode,
            parallelism=parallelism,
            gpu_type=gpu_type,
            timeout_seconds=timeout_seconds,
            resume=resume,
            rerun_changed_code=rerun_changed_code,
            share_output_dir=share_output_dir,
            name=name,
            metric=metric,
            metric_mode=metric_mode,
        )
        plan, sweep = self._prepare(configs, options, on_update, all_at_once=True)
        if sweep is None:
            return SpawnedSweep(sweep_id=plan.sweep_id, run_ids=[])
        sweep.submit()
        run_ids = [str(request.run_id) for request in plan.requests]
        return SpawnedSweep(sweep_id=plan.sweep_id, run_ids=run_ids, refused=sweep.results)

    def _prepare(
        self,
        configs: Sequence[ConfigLike | TaskRequest],
        options: SweepOptions,
        on_update: OnUpdate | None,
        *,
        all_at_once: bool = False,
    ) -> tuple[SweepPlan, Sweep | None]:
        """The plan, and the recorded sweep; None in place of the sweep if it has no runs.

        `all_at_once` submits the runs of `separate` mode without a limit on their number.
        """
        if not configs:
            return self.plan_sweep(configs, options), None
        recorded = record_sweep(self.runs, configs, options, all_at_once=all_at_once)
        return recorded.plan, make_sweep(self.runs, recorded, on_update=on_update)

    def plan_sweep(
        self, configs: Sequence[ConfigLike | TaskRequest], options: SweepOptions
    ) -> SweepPlan:
        """The checked plan of what `run_sweep` would do. Writes nothing."""
        return plan_sweep(self.runs, configs, options)

    def submit(
        self, function: "Callable[Params, T]", /, *args: "Params.args", **kwargs: "Params.kwargs"
    ) -> "RunFuture[T]":
        """Call `function` in a new run; returns a future of its return value.

        The future is a `concurrent.futures.Future`, and can also be awaited. The run is on record
        like any other run, and goes on if this process ends. Raises TaskError, ConfigError or
        BackendError if the call cannot be submitted.
        """
        return self._calls.submit(function, args, kwargs)

    def map(
        self,
        function: "Callable[..., T]",
        /,
        *iterables: Iterable[Any],
        mode: SweepMode | None = None,
        parallelism: int | None = None,
        timeout_seconds: int | None = None,
        gpu_type: str | None = None,
        resume: bool = False,
        rerun_changed_code: bool = False,
    ) -> "list[RunFuture[T]]":
        """`submit` for each item of the iterables, all as one sweep; returns the futures in order.

        On Slurm this is one job array. Unlike `Executor.map` it returns futures, not values, so
        that a failed call does not hide the others. At most `parallelism` run at once; None means
        the backend's default. `resume=True` uses earlier runs of the same function with the same
        arguments, and runs only what is missing or failed; with `rerun_changed_code=True`
        runs of an earlier version of the code are not used.
        """
        options = CallOptions(
            mode=mode,
            parallelism=parallelism,
            timeout_seconds=timeout_seconds,
            gpu_type=gpu_type,
            resume=resume,
            rerun_changed_code=rerun_changed_code,
        )
        return self._calls.map(function, iterables, options)

    def batch(self, options: CallOptions | None = None) -> "CallBatch":
        """Calls of several functions as one sweep: `with runner.batch() as batch: batch.add(f, 1)`.

        The calls are submitted at the end of the block; then `batch.futures` holds their futures.
        """
        return self._calls.batch(options or CallOptions())

    def future(self, run_id: str) -> "RunFuture[Any]":
        """A future of a call that this or another process submitted; raises UnknownRunError."""
        return self._calls.reattach(run_id)

    @cached_property
    def _calls(self) -> "Calls":
        from tmgg.experiment_utils.cloud.futures.calling import Calls  # cloudpickle: only for calls

        return Calls(self.runs)

    def poll(self, run_ids: Sequence[str]) -> list[RunState]:
        """The state of each run, in order, with one question to the backend for all of them.

        Raises UnknownRunError. If the backend does not answer, nothing is raised: the states are
        then the last known ones, with a `note`.
        """
        return self.runs.poll(run_ids)

    def poll_each(self, run_ids: Sequence[str]) -> list[Found]:
        """As `poll`, but a run with a damaged record gets a RunError in place of its state."""
        return self.runs.poll_each(run_ids)

    def collect(self, run_id: SpawnedTask | str) -> ExperimentResult:
        """The result of a run; raises NotEndedError if its state is not final."""
        return self.runs.collect(run_id_of(run_id))

    def cancel(self, run_id: SpawnedTask | str) -> bool:
        """End a run; False if it had already ended. Raises BackendError if it cannot be ended."""
        return self.cancel_all([run_id_of(run_id)])[0]

    def cancel_all(self, run_ids: Sequence[str], *, why: str = "") -> list[bool]:
        """As `cancel` for each run; `why` is kept on the records."""
        return self.runs.cancel_all(run_ids, why=why)

    def retry(self, run_id: SpawnedTask | str, changes: RetryChanges | None = None) -> SpawnedTask:
        """Submit a run that failed again, with the same task.

        Raises RunExistsError if it has not failed.
        """
        return self.runs.retry(run_id_of(run_id), changes)
