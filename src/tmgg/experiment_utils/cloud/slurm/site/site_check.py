"""A check before anything of a launch is written: would Slurm refuse such a job?

One cheap question shows what each partition allows. If the request does not fit, or if there are
several jobs, which would be refused one after the other, Slurm itself checks the job (`sbatch
--test-only`), since a site may rewrite a request. A definite refusal ends the launch. With any
other answer, or without an answer, the jobs are submitted.
"""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from tmgg.errors import BackendError, RefusedError
from tmgg.experiment_utils.cloud.slurm.client import SlurmClient
from tmgg.experiment_utils.cloud.slurm.config import SlurmConfig
from tmgg.experiment_utils.cloud.slurm.definite_refusals import (
    confirms_doubts,
    is_definite,
    is_up_to_nodes,
)
from tmgg.experiment_utils.cloud.slurm.planning.trial import Trial, try_script
from tmgg.experiment_utils.cloud.slurm.refusal_advice import names_that_exist, render_options
from tmgg.experiment_utils.cloud.slurm.site.doctor.requests import check_nodes, check_partition
from tmgg.experiment_utils.cloud.slurm.site.site import Settings, names_shown
from tmgg.experiment_utils.cloud.slurm.site.site_queries import SiteQueries

log = logging.getLogger(__name__)

# A busy controller of a large site may take seconds for a trial; the launch waits no longer.
TRIAL_TIMEOUT_S = 10.0


@dataclass(frozen=True, slots=True)
class Request:
    """A job as it would be submitted from `cwd`; `script` is the job script for `config`."""

    config: SlurmConfig
    script: str
    cwd: Path


def refuse_what_cannot_run(client: SlurmClient, request: Request, *, runs: int) -> None:
    """Raises RefusedError if Slurm would refuse each job; `runs` is the number of runs."""
    queries = SiteQueries(client)
    try:
        partitions = queries.partitions(hidden=True)
        doubts = doubts_of(request.config, partitions)
        if not doubts and runs == 1:
            return  # the sbatch of a single run answers as fast as a trial
        trial = try_script(queries, request.script, cwd=request.cwd, timeout_s=TRIAL_TIMEOUT_S)
        if not doubts and is_up_to_nodes(trial.said):
            doubts = _doubts_of_nodes(queries, request.config, partitions)
            is_certain = bool(doubts)
        else:
            is_certain = is_definite(trial.said) or bool(doubts and confirms_doubts(trial.said))
    except BackendError as error:
        log.info("whether Slurm would take such jobs is not known: %s", error)
        return
    if is_certain:
        raise RefusedError(_render(trial, doubts or _advice(client, trial, request.config)))


def _render(trial: Trial, advice: Sequence[str]) -> str:
    words = " ".join((trial.refusal or trial.silence).split())
    told = f"Slurm refuses such a job, so nothing was submitted. {words}"
    return "\n".join([told, *([" ".join(advice)] if advice else [])])


def _advice(client: SlurmClient, trial: Trial, config: SlurmConfig) -> list[str]:
    told = (render_options(trial.said, config), names_that_exist(client, trial.said))
    return [words for words in told if words]


def doubts_of(config: SlurmConfig, partitions: Sequence[Settings]) -> list[str]:
    """Why the request fits none of its partitions, with advice; empty if it may fit one of them."""
    table = {row["PartitionName"]: row for row in partitions if "PartitionName" in row}
    if not table:
        return []
    found: list[str] = []
    for name in config.partitions:
        doubts = _doubts_of_one(config, name, table)
        if not doubts:
            return []  # Slurm takes the one that fits
        found += doubts
    return found


def _doubts_of_one(config: SlurmConfig, name: str, table: Mapping[str, Settings]) -> list[str]:
    if name not in table:
        known = ", ".join(names_shown(table))
        return [f"There is no partition {name!r}; there are {known}. Set slurm_partition."]
    # A partition that is down takes jobs; they wait.
    findings = check_partition(config, {**table[name], "State": "UP"})
    return [
        f"Partition {name} {finding.text}. {finding.advice}"
        for finding in findings
        if finding.level == "problem"
    ]


def _doubts_of_nodes(
    queries: SiteQueries, config: SlurmConfig, partitions: Sequence[Settings]
) -> list[str]:
    """Why too few nodes, in any state, have what the job needs; empty if enough may have it."""
    default = [row["PartitionName"] for row in partitions if row.get("Default") == "YES"]
    nodes = queries.nodes_by_partition(hidden=True)
    found: list[str] = []
    for name in config.partitions or default:
        problems = [
            f"Of the nodes of {name}, {finding.text} {finding.advice}"
            for finding in check_nodes(config, name, nodes.get(name, []))
            if finding.level == "problem" and nodes.get(name)
        ]
        if not problems:
            return []
        found += problems
    return found
