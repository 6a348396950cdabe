"""Starts one run, for an experiment as for a call of a function."""

from tmgg.experiment_utils.cloud.runs import SpawnedTask, TaskRequest
from tmgg.experiment_utils.cloud.runs_on_record.run_control import RunControl
from tmgg.experiment_utils.cloud.sweep.planning import check_target
from tmgg.experiment_utils.run_folder.task import target_of


def spawn_checked(
    runs: RunControl, request: TaskRequest, *, gpu_type: str | None, resume: bool
) -> SpawnedTask:
    """Start the run of a request that `as_request` returned. Raises as `RunControl.spawn`."""
    check_target(runs.traits, request.target or target_of(request.config))
    runs.expect_records()
    return runs.spawn(request, gpu_type=gpu_type, resume=resume)
