"""Makes the plan of a sweep from configs and options. Reads records, writes nothing."""

import logging
from collections.abc import Sequence

from tmgg.errors import ConfigError
from tmgg.experiment_utils.cloud import checks
from tmgg.experiment_utils.cloud.backend import BackendTraits
from tmgg.experiment_utils.cloud.runs import SweepMode, TaskRequest
from tmgg.experiment_utils.cloud.runs_on_record.requests import (
    as_request,
    check_folders,
    new_run_id,
)
from tmgg.experiment_utils.cloud.runs_on_record.run_control import RunControl
from tmgg.experiment_utils.cloud.sweep.plan import (
    SweepOptions,
    SweepPlan,
    refuse_existing,
    refuse_twins,
)
from tmgg.experiment_utils.cloud.sweep.titles import with_titles
from tmgg.experiment_utils.extras import check_extra_of
from tmgg.experiment_utils.run_folder.sweeps import sweep_of_all
from tmgg.experiment_utils.run_folder.task import ConfigLike, module_of, target_of

log = logging.getLogger(__name__)


def plan_sweep(
    runs: RunControl, configs: Sequence[ConfigLike | TaskRequest], options: SweepOptions
) -> SweepPlan:
    """Make and check the plan of a sweep, before anything is written.

    Raises TaskError, ConfigError or RunExistsError; then nothing runs.
    """
    mode = _mode(runs.traits, options.mode)
    new_id = new_run_id()
    requests = [
        as_request(
            config,
            timeout_seconds=options.timeout_seconds,
            default_run_id=f"{new_id}-{number}",
        )
        for number, config in enumerate(configs)
    ]
    for target in {request.target or target_of(request.config) for request in requests}:
        check_target(runs.traits, target)
    if requests:
        checks.integer("parallelism", options.parallelism, least=1)
    refuse_twins(requests)
    check_folders(requests, may_share=options.share_output_dir)
    requests = with_titles(_matched(runs, requests, options))
    run_ids = [str(request.run_id) for request in requests]
    existing = runs.existing(run_ids) if options.resume else []
    return SweepPlan(
        sweep_id=sweep_of_all(run_ids, without=existing) or new_id,
        mode=mode,
        parallelism=options.parallelism,
        policy=options.policy,
        requests=requests,
        is_resumed=options.resume,
        name=options.name,
        metric=options.metric,
        metric_mode=options.metric_mode,
    )


def check_target(traits: BackendTraits, target: str) -> None:
    """Raise if the target certainly cannot run on this backend.

    Raises MissingExtraError if the runs lack an extra of TMGG, ConfigError if the backend's options
    do not fit the target.
    """
    if traits.shares_environment:
        check_extra_of(module_of(target))
    traits.check_target(target)


def _mode(traits: BackendTraits, asked: SweepMode | None) -> SweepMode:
    mode = traits.default_sweep_mode if asked is None else asked
    if mode not in traits.sweep_modes:
        raise ConfigError(
            f"mode={mode!r} is not possible: the {traits.name} backend has "
            f"{', '.join(traits.sweep_modes)}"
        )
    return mode


def _matched(
    runs: RunControl, requests: list[TaskRequest], options: SweepOptions
) -> list[TaskRequest]:
    if not options.resume:
        refuse_existing(runs.existing([str(request.run_id) for request in requests]))
        return requests
    if all(request.is_matched for request in requests):
        return requests
    return runs.match_earlier(
        requests, rerun_changed_code=options.rerun_changed_code, say=log.warning
    ).requests
