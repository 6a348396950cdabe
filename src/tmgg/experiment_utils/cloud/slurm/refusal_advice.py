"""Advice for a job that Slurm refuses: the options that the refusal is about, and valid names."""

import logging
from collections.abc import Callable, Mapping

from tmgg.errors import BackendError, RefusedError, SubmissionError
from tmgg.experiment_utils.cloud.slurm.client import SlurmClient
from tmgg.experiment_utils.cloud.slurm.config import SlurmConfig
from tmgg.experiment_utils.cloud.slurm.site.site import Node, features_by_count, gpu_models
from tmgg.experiment_utils.cloud.slurm.site.site_queries import SiteQueries

log = logging.getLogger(__name__)

DEPENDENCY = "Job dependency problem"
_FORGOTTEN = (
    "Slurm takes afterok and afternotok only of a job that its controller still knows; it forgets "
    "a job some minutes after its end. If the job ended as you need it, set slurm_dependency=null."
)
_OPTIONS: Mapping[str, tuple[str, ...]] = {
    DEPENDENCY: ("dependency",),
    "Invalid account": ("account",),
    "Invalid feature": ("constraint",),
    "Invalid generic resource": ("gpu_type", "gpu_request", "gpus_per_task"),
    "Invalid license": ("sbatch_options",),
    "Invalid node name": ("nodelist", "exclude"),
    "Invalid qos": ("qos",),
    "More processors": ("nodes", "tasks_per_node", "cpus_per_task"),
    "reservation is invalid": ("reservation",),
    "time limit is invalid": ("time_limit",),
}
_MOST_FEATURES = 20


def _nodes(client: SlurmClient) -> list[Node]:
    by_partition = SiteQueries(client).nodes_by_partition()
    return [node for nodes in by_partition.values() for node in nodes]


def _gpus(client: SlurmClient) -> list[str]:
    nodes = _nodes(client)
    unnamed = ["some without a model"] if any(node.gpus.get("") for node in nodes) else []
    return [*gpu_models(nodes), *unnamed] or ["none"]


def _features(client: SlurmClient) -> list[str]:
    return features_by_count(_nodes(client))[:_MOST_FEATURES]


_NAMES: Mapping[str, tuple[str, Callable[[SlurmClient], list[str]]]] = {
    "Invalid account": ("Your accounts", SlurmClient.accounts),
    "Invalid feature": ("Features of the nodes here", _features),
    "Invalid generic resource": ("GPUs here", _gpus),
    "Invalid partition": ("Partitions here", SlurmClient.partitions),
    "Invalid qos": ("Your QOS", SlurmClient.qualities),
}


def render_options(words: str, config: SlurmConfig) -> str:
    """The options that a refusal is about, with their values; empty if it is about none of them."""
    fields = [name for phrase, names in _OPTIONS.items() if phrase in words for name in names]
    given = {name: getattr(config, name) for name in fields}
    named = [f"slurm_{name} is {value}" for name, value in given.items() if value is not None]
    if fields and not named:
        named = [f"{' and '.join(f'slurm_{name}' for name in fields)} not set"]
    return f"{', '.join(named)}." if named else ""


def names_that_exist(client: SlurmClient, words: str) -> str:
    """The valid names, if a refusal is about a name that does not exist.

    Empty if it is about something else, or if Slurm does not list the names.
    """
    try:
        for phrase, (what, ask) in _NAMES.items():
            if phrase in words:
                names = ask(client)
                return f"{what}: {', '.join(names)}." if names else ""
    except BackendError as unanswered:
        log.info("no list of names: %s", unanswered)
    return ""


def explain_refusal(
    client: SlurmClient, error: SubmissionError, config: SlurmConfig
) -> SubmissionError:
    """The error with advice: an option to change, or the valid names if a name was wrong.

    Returns `error` itself if there is no advice.
    """
    if DEPENDENCY in str(error) and config.dependency is not None:
        return RefusedError(f"{error}\n{render_options(DEPENDENCY, config)} {_FORGOTTEN}")
    names = names_that_exist(client, str(error))
    return RefusedError(f"{error}\n{names}") if names else error
