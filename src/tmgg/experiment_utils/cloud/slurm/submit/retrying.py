"""What the next submission of a failed run asks for, and which nodes it should avoid."""

import logging
from dataclasses import replace

from tmgg.errors import BackendError
from tmgg.experiment_utils.cloud.slurm.client import SlurmClient
from tmgg.experiment_utils.cloud.slurm.config import SlurmConfig
from tmgg.experiment_utils.cloud.slurm.site.site_queries import SiteQueries
from tmgg.experiment_utils.cloud.sweep.policy import RetryChanges

log = logging.getLogger(__name__)


def changed(config: SlurmConfig, changes: RetryChanges) -> SlurmConfig:
    """The config with the changes. Pure."""
    if changes.memory_factor != 1.0:
        grown = config.memory.grown(changes.memory_factor)
        if not grown:
            log.warning("the job asks for no amount of memory that could grow; it stays as it is")
        config = replace(config, **grown)  # type: ignore[arg-type]  # fields of memory are text
    if changes.exclude_nodes:
        excluded = [*([config.exclude] if config.exclude else []), *changes.exclude_nodes]
        config = replace(config, exclude=",".join(excluded))
    return config


def bad_nodes(client: SlurmClient, partition: str | None, expression: str) -> list[str]:
    """The nodes that may have made a job fail: its only node, or those that are out of service now.

    `expression` is the job's host list. Empty if Slurm does not answer.
    """
    if not expression:
        return []
    try:
        nodes = client.hostnames(expression)
        if len(nodes) == 1:
            return nodes
        out = {node.name for node in SiteQueries(client).nodes_of(partition) if node.is_out}
    except BackendError as error:
        log.info("which node failed is not known: %s", error)
        return []
    return [node for node in nodes if node in out]
