"""Plans a sweep and puts it on record. Every resumed sweep goes this way, under one lock."""

from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import dataclass, replace

from tmgg.experiment_utils.cloud.runs import TaskRequest
from tmgg.experiment_utils.cloud.runs_on_record.run_control import RunControl
from tmgg.experiment_utils.cloud.sweep.dispatch import Dispatcher
from tmgg.experiment_utils.cloud.sweep.plan import SweepOptions, SweepPlan
from tmgg.experiment_utils.cloud.sweep.planning import plan_sweep
from tmgg.experiment_utils.run_folder.task import ConfigLike


@dataclass(frozen=True, slots=True)
class RecordedPlan:
    """A sweep on record, of which nothing is submitted yet."""

    plan: SweepPlan
    dispatcher: Dispatcher


def record_sweep(
    runs: RunControl,
    configs: Sequence[ConfigLike | TaskRequest],
    options: SweepOptions,
    *,
    all_at_once: bool = False,
) -> RecordedPlan:
    """Plan a sweep of at least one run, and record it.

    A resumed sweep is planned and recorded under one lock. Otherwise two processes could both find
    that a run is missing, and both submit it. `all_at_once` submits the runs of `separate` mode
    without a limit on their number. Raises as `plan_sweep`, and BackendError; then nothing runs.
    """
    with runs.looking_up() if options.resume else nullcontext():
        plan = plan_sweep(runs, configs, options)
        if all_at_once and plan.mode == "separate":
            plan = replace(plan, parallelism=len(plan.requests))
        dispatcher = runs.dispatcher(plan, gpu_type=options.gpu_type, resume=options.resume)
        runs.note_sweep(plan, gpu_type=options.gpu_type)
        return RecordedPlan(plan, dispatcher)
