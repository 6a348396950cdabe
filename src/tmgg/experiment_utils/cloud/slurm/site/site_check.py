"""Before the first sbatch of a sweep: would Slurm take such a job at all?

One cheap question shows what each partition allows. Where the request does not fit, Slurm itself
is asked (`sbatch --test-only`), since a site may rewrite what is submitted; its word counts. What
it does not refuse, or does not answer, is submitted.
"""

import logging
from collections.abc import Mapping, Sequence
from pathlib import Path

from tmgg.errors import BackendError, RefusedError
from tmgg.experiment_utils.cloud.slurm.client import SlurmClient
from tmgg.experiment_utils.cloud.slurm.config import SlurmConfig
from tmgg.experiment_utils.cloud.slurm.planning.trial import try_script
from tmgg.experiment_utils.cloud.slurm.site.doctor.requests import check_partition
from tmgg.experiment_utils.cloud.slurm.site.site import Settings
from tmgg.experiment_utils.cloud.slurm.site.site_queries import SiteQueries

log = logging.getLogger(__name__)


def refuse_what_cannot_run(
    client: SlurmClient, config: SlurmConfig, script: str, *, cwd: Path
) -> None:
    """Raises RefusedError where Slurm would refuse `script`, which asks for what `config` says."""
    queries = SiteQueries(client)
    try:
        doubts = doubts_of(config, queries.partitions(hidden=True))
        words = try_script(queries, script, cwd=cwd).refusal if doubts else ""
    except BackendError as error:
        log.info("whether Slurm would take such jobs is not known: %s", error)
        return
    if words:
        raise RefusedError(
            f"Slurm refuses such a job, so nothing was submitted. {words}\n{' '.join(doubts)}"
        )


def doubts_of(config: SlurmConfig, partitions: Sequence[Settings]) -> list[str]:
    """Why the request fits none of the partitions asked for, with what exists; empty if it may."""
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
        known = ", ".join(row for row, each in table.items() if each.get("Hidden") != "YES")
        return [f"There is no partition {name!r}; there are {known}. Set slurm_partition."]
    # One that is down takes jobs; they wait.
    findings = check_partition(config, {**table[name], "State": "UP"})
    return [
        f"Partition {name} {finding.text}. {finding.advice}"
        for finding in findings
        if finding.level == "problem"
    ]
