"""The first request to try, from what the site says about itself. Pure.

It asks for one node, one GPU if there are any, and that GPU's share of the node's CPUs and memory.
A program that knows nothing about nodes can use this.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tmgg.errors import ConfigError
from tmgg.experiment_utils.cloud.slurm.config import SlurmConfig
from tmgg.experiment_utils.cloud.slurm.request import fields
from tmgg.experiment_utils.cloud.slurm.request.needed_ray import has_this_environment
from tmgg.experiment_utils.cloud.slurm.setup.facts import Facts
from tmgg.experiment_utils.cloud.slurm.site.doctor.requests import check_partition
from tmgg.experiment_utils.cloud.slurm.site.site import (
    Node,
    Settings,
    parse_limit,
    parse_time_limit_s,
    preemption,
)

MOST_CPUS = 8
MOST_MEMORY_MB = 4096
LONGEST_S = 8 * 3600
SHORT_S = 3600
# A node's own processes need some memory, too.
_FREE_PART = 0.9
_NO_RAY = (
    "Ray is not installed in this environment, so jobs start without it. Where it is, or where "
    "slurm_setup_commands bring it, auto starts it."
)


@dataclass(frozen=True, kw_only=True, slots=True)
class Chosen:
    """A value of a field of `SlurmConfig`, and the reason for it."""

    value: Any
    reason: str


Choices = Mapping[str, Chosen]
"""Values by field."""


def first_request(
    facts: Facts, given: Mapping[str, Any], *, has_ray: bool = True
) -> dict[str, Chosen]:
    """The values of the first request, by field; `given` are the fields that the user has set.

    `has_ray` says whether the environment of this process has Ray.
    """
    own = {name: Chosen(value=value, reason="you asked for it") for name, value in given.items()}
    partition = given.get("partition", _best_partition(facts))
    nodes = nodes_of(facts, partition)
    wants_gpu = given.get("gpus_per_task", 1) > 0 and _most_gpus(nodes) > 0
    node = _smallest(nodes, with_gpus=wants_gpu)
    row = facts.partition(partition)
    found = {
        "partition": Chosen(value=partition, reason=_why_partition(facts, partition)),
        "nodes": Chosen(value=1, reason="A program that starts as one process uses one node."),
        "gpus_per_task": _gpus(nodes, wants_gpu=wants_gpu, partition=partition),
        "cpus_per_task": _cpus(node, wants_gpu=wants_gpu),
        "mem_per_cpu": _memory(node, row, facts.settings),
        "time_limit": _time_limit(facts, row, given),
        "exclusive": _exclusive(row),
    }
    if "mem_per_node" in given or "mem_per_gpu" in given:
        found["mem_per_cpu"] = Chosen(value=None, reason="You asked for memory in another form.")
    if not has_ray and _runs_without_ray(given):
        found["ray_bootstrap"] = Chosen(value="none", reason=_NO_RAY)
    return found | own


def _runs_without_ray(given: Mapping[str, Any]) -> bool:
    """Whether the jobs use this process's environment, and can run without Ray."""
    config = SlurmConfig.from_mapping({"nodes": 1, **given})
    has_work = config.nodes == 1 or config.tasks_per_node is not None
    return has_this_environment(config) and has_work and config.sweep_mode != "packed"


def admitted(facts: Facts) -> list[str]:
    """Partitions that are up and admit the user, the most suitable first."""
    config = SlurmConfig(nodes=1, time_limit="00:10:00", account=_default_account(facts))
    rows = [row for row in facts.partitions if row.get("PartitionName")]
    fitting = [row for row in rows if not _stands_in_the_way(config, row)]
    order = sorted(fitting, key=lambda row: _rank(facts, row))
    return [row["PartitionName"] for row in order]


def nodes_of(facts: Facts, partition: str | None) -> Sequence[Node]:
    """The nodes of the partition; if it is None, of the site's default partition."""
    if partition is None:
        default = [row for row in facts.partitions if row.get("Default") == "YES"]
        partition = default[0].get("PartitionName") if default else None
    return facts.nodes.get(partition or "", ())


def hours(seconds: int) -> str:
    """A time limit in Slurm's form."""
    return f"{seconds // 3600:02d}:{seconds // 60 % 60:02d}:00"


def _best_partition(facts: Facts) -> str | None:
    names = admitted(facts)
    return names[0] if names else None


def _stands_in_the_way(config: SlurmConfig, row: Settings) -> bool:
    # Which accounts or qualities of service the partition takes is found out by trials later.
    open_row = {**row, "AllowAccounts": "ALL", "AllowQos": "ALL"}
    return any(finding.level == "problem" for finding in check_partition(config, open_row))


def _rank(facts: Facts, row: Settings) -> tuple[bool, bool, bool, bool]:
    name = row["PartitionName"]
    most_s = parse_time_limit_s(row.get("MaxTime"))
    return (
        _most_gpus(facts.nodes.get(name, ())) == 0,
        bool(preemption(row, facts.partitions, facts.settings)),
        most_s is not None and most_s < SHORT_S,
        row.get("Default") != "YES",
    )


def _why_partition(facts: Facts, name: str | None) -> str:
    if name is None:
        return "Slurm shows no partition that admits you; the site may choose one."
    row, nodes = facts.partition(name), facts.nodes.get(name, ())
    told = [f"{len(nodes)} nodes", f"{_most_gpus(nodes)} GPUs each" if _most_gpus(nodes) else ""]
    told.append("the default" if row.get("Default") == "YES" else "")
    others = [each for each in admitted(facts) if each != name]
    beside = f" Others that may admit you: {', '.join(others)}." if others else ""
    return f"{name} has {', '.join(filter(None, told))}.{beside}"


def _default_account(facts: Facts) -> str | None:
    return facts.default_account or None


def _most_gpus(nodes: Sequence[Node]) -> int:
    return max((node.gpu_count(None) for node in nodes), default=0)


def _smallest(nodes: Sequence[Node], *, with_gpus: bool) -> Node | None:
    fitting = [node for node in nodes if not with_gpus or node.gpu_count(None)]
    return min(fitting, key=lambda node: (node.cpus, node.memory_mb), default=None)


def _gpus(nodes: Sequence[Node], *, wants_gpu: bool, partition: str | None) -> Chosen:
    if not wants_gpu:
        return Chosen(value=0, reason=f"Slurm shows no GPUs on the nodes of {partition}.")
    return Chosen(value=1, reason=f"Nodes have up to {_most_gpus(nodes)} GPUs.")


def _cpus(node: Node | None, *, wants_gpu: bool) -> Chosen:
    if node is None:
        return Chosen(value=1, reason="What CPUs the nodes have is not known.")
    count = node.gpu_count(None)
    share = node.cpus // count if wants_gpu and count else node.cpus
    what = f"{node.cpus} CPUs and {count} GPUs" if count else f"{node.cpus} CPUs"
    value = max(1, min(MOST_CPUS, share))
    return Chosen(value=value, reason=f"The smallest node that fits has {what}.")


def _memory(node: Node | None, row: Settings, settings: Settings) -> Chosen:
    limits = [MOST_MEMORY_MB]
    reasons = []
    if node is not None:
        share_mb = int(node.memory_mb * _FREE_PART / node.cpus)
        limits.append(share_mb)
        reasons.append(f"a node has {share_mb} MB for each CPU")
    for where, found in (("partition", row), ("site", settings)):
        most_mb = parse_limit(found.get("MaxMemPerCPU"))
        if most_mb:
            limits.append(most_mb)
            reasons.append(f"the {where} gives at most {most_mb} MB per CPU (MaxMemPerCPU)")
    value = max(1, min(limits))
    amount = f"{value // 1024}GB" if value % 1024 == 0 else f"{value}MB"
    told = "; ".join(reasons) or "what memory the nodes have is not known"
    return Chosen(value=amount, reason=f"{told[0].upper()}{told[1:]}.")


def _time_limit(facts: Facts, row: Settings, given: Mapping[str, Any]) -> Chosen:
    limits = {"default of TMGG": LONGEST_S}
    most = {f"the partition ({row['MaxTime']})": row["MaxTime"]} if row.get("MaxTime") else {}
    for each in facts.associations:
        if given.get("account") in (None, each.get("Account")) and each.get("MaxWall"):
            most[f"account {each['Account']} ({each['MaxWall']})"] = each["MaxWall"]
    for each in facts.qualities:
        if each.get("Name") == given.get("qos", "normal") and each.get("MaxWall"):
            most[f"QOS {each['Name']} ({each['MaxWall']})"] = each["MaxWall"]
    for name, text in most.items():
        seconds = parse_time_limit_s(text)
        if seconds is not None:
            limits[name] = seconds
    name = min(limits, key=lambda each: limits[each])
    told = ", ".join(each for each in limits if each != "default of TMGG") or "none are known"
    return Chosen(value=hours(limits[name]), reason=f"Limits: {told}.")


def _exclusive(row: Settings) -> Chosen:
    if row.get("OverSubscribe", "NO").startswith("EXCLUSIVE"):
        return Chosen(value=True, reason="The partition gives whole nodes only (OverSubscribe).")
    return Chosen(
        value=False,
        reason="Jobs may share nodes here; true takes, and is charged for, whole nodes.",
    )


def scratch(settings: Settings) -> Chosen | None:
    """The nodes' scratch folder (TmpFS); None if the site names none that can be used."""
    folder = settings.get("TmpFS", "")
    if not folder.startswith("/") or "%" in folder:
        return None
    try:
        fields.scratch_folder("node_scratch", folder)
    except ConfigError:
        return None
    private = "tmpfs" in settings.get("JobContainerType", "")
    more = "; each job has a /tmp of its own (job_container/tmpfs)" if private else ""
    return Chosen(value=folder, reason=f"slurm.conf names it (TmpFS){more}.")
