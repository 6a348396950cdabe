"""The lines of a launcher file, each with its reason. Pure."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from tmgg.experiment_utils.cloud.slurm.config import SlurmConfig
from tmgg.experiment_utils.cloud.slurm.setup.facts import Facts
from tmgg.experiment_utils.cloud.slurm.setup.first_request import (
    Choices,
    nodes_of,
    scratch,
)
from tmgg.experiment_utils.cloud.slurm.setup.search import Found
from tmgg.experiment_utils.cloud.slurm.site.site import gpu_models, is_limit, parse_limit
from tmgg.experiment_utils.some_names import some_of

_ALWAYS = (
    "partition", "nodes", "cpus_per_task", "gpus_per_task", "time_limit", "exclusive",
)  # fmt: skip
_MEMORY = ("mem_per_cpu", "mem_per_node", "mem_per_gpu")
_DEFAULT = SlurmConfig()


@dataclass(frozen=True, kw_only=True, slots=True)
class Line:
    """A key of the launcher, its value, and the reason for the value."""

    key: str
    value: Any
    reason: str
    is_known: bool = True
    """If false, the user must decide: the line is in the file, but commented out."""


def profile_lines(facts: Facts, first: Choices, found: Found) -> list[Line]:
    """All lines of the file, in the order in which people look for them."""
    return [
        *_asked_for(facts, first, found),
        *_memory(first, found),
        *_further(first, found),
        *_clusters(facts, found.config),
        *_nodes(facts, first),
        *_rules(facts, found.config),
    ]


def _asked_for(facts: Facts, first: Choices, found: Found) -> Iterator[Line]:
    config = found.config
    for name in _ALWAYS:
        yield _line(name, config, first, found)
    if config.time_limit_s is not None:
        reason = "The same, for Python: the experiment is told before Slurm ends it."
        yield Line(key="timeout_seconds", value=config.time_limit_s, reason=reason)
    yield from _account(facts, first, found)
    yield from _gpus(facts, first, found)


def _account(facts: Facts, first: Choices, found: Found) -> Iterator[Line]:
    config = found.config
    if config.account is not None:
        yield _line("account", config, first, found)
    elif not facts.has_accounts:
        reason = "This site keeps no accounts (sacct and sacctmgr are off)."
        yield _open("account", "name", reason)
    elif "accounts" in facts.unanswered:
        reason = f"Not known: sacctmgr did not answer ({facts.unanswered['accounts']})."
        yield _open("account", "name", reason)
    else:
        default = f"The default is {facts.default_account}. " if facts.default_account else ""
        reason = f"{default}Yours are {', '.join(facts.accounts) or 'none'}."
        yield _open("account", facts.default_account or "name", reason)
    if config.qos is not None:
        yield _line("qos", config, first, found)
    elif qualities := facts.qos_of(config.account, config.partition):
        yield _open("qos", qualities[0], f"The site gives its default; yours: {_some(qualities)}.")


def _gpus(facts: Facts, first: Choices, found: Found) -> Iterator[Line]:
    config = found.config
    if not config.gpus_per_task:
        return
    forms = {
        "task": "--gpus-per-task is taken",
        "node": "--gpus-per-node is taken",
        "gres": "--gres=gpu is taken",
        "none": "no option for GPUs is taken: the nodes have them all the same",
    }
    reason = first["gpu_request"].reason if "gpu_request" in first else ""
    changed = found.changes.get("gpu_request")
    told = f"{forms[config.gpu_request]}. Before, Slurm said: {changed}" if changed else reason
    yield Line(
        key="slurm_gpu_request",
        value=config.gpu_request,
        reason=told or f"Tried: {forms[config.gpu_request]}.",
        is_known=found.trial.is_taken or bool(reason),
    )
    models = gpu_models(nodes_of(facts, config.partition))
    if config.gpu_type is not None:
        yield _line("gpu_type", config, first, found)
    elif models:
        yield _open("gpu_type", models[0], f"Any model will do; there are {_some(models)}.")


def _memory(first: Choices, found: Found) -> Iterator[Line]:
    config = found.config
    asked = [name for name in _MEMORY if getattr(config, name) is not None]
    if not asked:
        yield _line("mem_per_cpu", config, first, found)
    for name in asked:
        yield _line(name, config, first, found)


def _further(first: Choices, found: Found) -> Iterator[Line]:
    """Other fields that the user set or that the site demands."""
    told = {*_ALWAYS, *_MEMORY, "account", "qos", "gpu_request", "gpu_type", "clusters"}
    for name in SlurmConfig.__dataclass_fields__:
        value = getattr(found.config, name)
        if name not in told and (name in first or value != getattr(_DEFAULT, name)):
            yield _line(name, found.config, first, found)


def _clusters(facts: Facts, config: SlurmConfig) -> Iterator[Line]:
    if config.clusters is not None:
        yield Line(key="slurm_clusters", value=config.clusters, reason="You asked for it.")
    elif others := [name for name in facts.clusters if name != facts.cluster]:
        reason = f"This login's cluster is {facts.cluster}; the accounts know {_some(others)}, too."
        yield _open("clusters", others[0], reason)


def _nodes(facts: Facts, first: Choices) -> Iterator[Line]:
    folder = None if "node_scratch" in first else scratch(facts.settings)
    if folder is not None:
        yield Line(key="slurm_node_scratch", value=folder.value, reason=folder.reason)
    elif "node_scratch" not in first:
        named = facts.settings.get("TmpFS", "nothing")
        reason = f"Slurm names {named} for the nodes' own disks, which cannot be used as it is."
        yield _open("node_scratch", "/tmp", reason)
    if "network_interface" not in first:
        reason = "Not known: only a job sees the nodes' networks. Without it: the one of Slurm."
        yield _open("network_interface", "ib0", reason)
    if "setup_commands" not in first:
        reason = (
            "The interpreter that submits comes first on the nodes' PATH. Needed where its "
            "environment is not on a file system that they share, or for modules; tmgg-jobs doctor "
            "tries it."
        )
        yield _open("setup_commands", ["module load cuda"], reason)


def _rules(facts: Facts, config: SlurmConfig) -> Iterator[Line]:
    if facts.settings.get("JobRequeue") == "0":
        reason = "The site does not start jobs again after a node failure (JobRequeue=0)."
        yield Line(key="slurm_requeue", value=True, reason=reason)
    most = _most_jobs(facts, config)
    if most is not None:
        number, where = most
        reason = f"{where} allows {number} jobs at one time."
        yield Line(key="parallelism", value=number, reason=reason)
    largest = parse_limit(facts.settings.get("MaxArraySize"))
    if largest and largest > 1:
        reason = f"One sbatch for many runs: arrays of up to {largest - 1} (MaxArraySize)."
        yield Line(key="slurm_sweep_mode", value="array", reason=reason, is_known=False)


def _most_jobs(facts: Facts, config: SlurmConfig) -> tuple[int, str] | None:
    """The lowest limit on the number of jobs, and its source; None if there is no limit."""
    found = []
    for row in facts.associations:
        if config.account in (None, row.get("Account")):
            found += _limits(row, f"account {row.get('Account', '')}", ("MaxSubmit", "MaxJobs"))
    for row in facts.qualities:
        if row.get("Name") == (config.qos or "normal"):
            found += _limits(row, f"QOS {row['Name']}", ("MaxSubmitPU", "MaxJobsPU"))
    return min(found, default=None)


def _limits(row: Any, where: str, columns: Sequence[str]) -> list[tuple[int, str]]:
    numbers = {name: parse_limit(row[name]) for name in columns if is_limit(row.get(name))}
    return [(number, f"{where} ({name})") for name, number in numbers.items() if number]


def _line(name: str, config: SlurmConfig, first: Choices, found: Found) -> Line:
    reason = first[name].reason if name in first else ""
    if words := found.changes.get(name):
        reason = f"Before, Slurm said: {words}"
    value = getattr(config, name)
    return Line(key=f"slurm_{name}", value=_plain(value), reason=reason)


def _open(name: str, example: Any, reason: str) -> Line:
    return Line(key=f"slurm_{name}", value=example, reason=reason, is_known=False)


def _plain(value: Any) -> Any:
    return list(value) if isinstance(value, tuple) else value


def _some(names: Sequence[str]) -> str:
    return some_of(names, most=6)
