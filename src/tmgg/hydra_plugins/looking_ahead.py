"""Asks the backend about a sweep before anything is written or submitted."""

import logging
from collections.abc import Sequence
from itertools import islice

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import ValueType

from tmgg.experiment_utils.cloud.runner import CloudRunner
from tmgg.experiment_utils.cloud.runs import TaskRequest
from tmgg.experiment_utils.cloud.runs_on_record.recorded import RecordedRuns
from tmgg.hydra_plugins.launcher_options import LauncherOptions

log = logging.getLogger(__name__)

_LISTED = (ValueType.CHOICE_SWEEP, ValueType.SIMPLE_CHOICE_SWEEP, ValueType.RANGE_SWEEP)


def refuse_at_once(runner: CloudRunner, options: LauncherOptions, overrides: Sequence[str]) -> None:
    """Raise RefusedError if the backend takes no job with these options, whatever the runs are.

    With `resume` it does nothing: earlier runs may make it unnecessary to submit any. `overrides`
    are those of the task, as written.
    """
    runs = runner.runs
    if isinstance(runs, RecordedRuns) and not options.resume:
        mode = runs.traits.default_sweep_mode
        runs.foresight.refuse_at_once(
            mode, gpu_type=options.gpu_type, has_several=_has_several(overrides)
        )


def look_ahead(
    runner: CloudRunner,
    requests: Sequence[TaskRequest],
    options: LauncherOptions,
    *,
    imports: frozenset[str],
) -> str:
    """A line about what the sweep may use. Raises RefusedError if the backend takes no job of it.

    `imports` are the packages that the program imports.
    """
    runs, mode = runner.runs, runner.runs.traits.default_sweep_mode
    if not isinstance(runs, RecordedRuns):
        return ""
    run_ids = [str(request.run_id) for request in requests]
    ahead = runs.foresight
    ahead.refuse_early(run_ids, mode, gpu_type=options.gpu_type, resume=options.resume)
    idle = ahead.idle_nodes(imports, mode)
    if idle:
        log.warning("%s", idle)
    return ahead.usage(len(run_ids), mode)


def _has_several(overrides: Sequence[str]) -> bool:
    """Whether the overrides mean several jobs for certain; a sweeper's options may mean more."""
    parsed = OverridesParser.create().parse_overrides(list(overrides))
    choices = [each.sweep_string_iterator() for each in parsed if each.value_type in _LISTED]
    return any(len(list(islice(each, 2))) > 1 for each in choices)
