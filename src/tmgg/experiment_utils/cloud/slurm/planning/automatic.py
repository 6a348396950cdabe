"""`partition=auto`: the partition in which the job would start first."""

import logging
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from pathlib import Path

from tmgg.errors import BackendError, BackendUnavailableError, QueryError, RefusedError
from tmgg.experiment_utils.cloud.slurm.client import SlurmClient
from tmgg.experiment_utils.cloud.slurm.config import AUTOMATIC, SlurmConfig
from tmgg.experiment_utils.cloud.slurm.planning.plan import (
    Choice,
    Site,
    earliest,
    look_at_site,
    try_all,
)
from tmgg.experiment_utils.cloud.slurm.planning.trial import RenderScript
from tmgg.experiment_utils.cloud.slurm.site.site_queries import SiteQueries

log = logging.getLogger(__name__)

NAMED = 3
_NAME_ONE = "Name one instead, as in slurm_partition=gpu; tmgg-jobs plan shows what there is."


def choose_partition(
    client: SlurmClient, config: SlurmConfig, *, render: RenderScript, cwd: Path
) -> SlurmConfig:
    """`config` with a partition in place of `auto`; logs which partition, and why.

    Raises RefusedError if Slurm refuses the job in every partition, QueryError if Slurm says for no
    partition when the job would start, and BackendUnavailableError without Slurm's commands.
    """
    if config.partition != AUTOMATIC:
        return config
    queries = SiteQueries(client)
    site = _site(queries)
    if AUTOMATIC in {row.get("PartitionName") for row in site.partitions}:
        return config  # a site may have a partition of this name
    # At some sites a job must not name a partition: without one, the site chooses.
    without = replace(config, partition=None)
    choices = try_all(queries, site, without, render=render, cwd=cwd, each_model=False)
    best = earliest(choices[1:]) or earliest(choices)
    if best is None:
        raise _nothing(choices)
    log.warning("%s", render_choice(best, choices))
    return replace(config, partition=best.partition)


def render_choice(best: Choice, choices: Sequence[Choice]) -> str:
    """One line: the partition that is taken, when the job would start, and the other choices."""
    others = [each for each in choices if each not in (best, choices[0]) and each.at is not None]
    later = [f"{_name(each)} {_clock(each.at)}" for each in others[:NAMED]]
    more = f" and {len(others) - NAMED} more" if len(others) > NAMED else ""
    beside = f" (others: {', '.join(later)}{more})" if later else ""
    preempted = f"; jobs there may be preempted ({best.preemption})" if best.preemption else ""
    return (
        f"slurm_partition=auto takes {_name(best)}: Slurm would start the job there at "
        f"{_clock(best.at)}{beside}{preempted}"
    )


def _site(queries: SiteQueries) -> Site:
    try:
        return look_at_site(queries)
    except BackendUnavailableError:
        raise
    except BackendError as error:
        raise QueryError(
            f"slurm_partition=auto: Slurm does not list its partitions: {error}\n{_NAME_ONE}"
        ) from error


def _nothing(choices: Sequence[Choice]) -> BackendError:
    silent = [each for each in choices if not each.trial.refusal]
    told = [f"{_name(each)}: {each.trial.refusal or each.trial.silence}" for each in choices]
    shown = "\n".join(told[:NAMED]) + (f"\n(and {len(told) - NAMED} more)" * (len(told) > NAMED))
    if silent or not choices:
        return QueryError(
            f"slurm_partition=auto: Slurm does not say when the job would start. {_NAME_ONE}"
            f"\n{shown}".rstrip()
        )
    return RefusedError(
        f"slurm_partition=auto: Slurm refuses such a job in every partition.\n{shown}"
    )


def _name(choice: Choice) -> str:
    return choice.partition or "the site's own choice"


def _clock(at: datetime | None) -> str:
    return "an unknown time" if at is None else at.isoformat(sep=" ", timespec="minutes")
