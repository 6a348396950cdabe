"""Does the request fit the partition and its nodes? Pure: works on Slurm's parsed answers."""

import grp
import os
from collections.abc import Sequence

from tmgg.experiment_utils.cloud.slurm.config import SlurmConfig
from tmgg.experiment_utils.cloud.slurm.site.doctor.findings import Finding, ok, problem, warning
from tmgg.experiment_utils.cloud.slurm.site.site import (
    Node,
    Settings,
    gpu_models,
    parse_limit,
    parse_list,
    parse_memory_mb,
    parse_time_limit_s,
)


def check_partition(config: SlurmConfig, partition: Settings) -> list[Finding]:
    """Findings on the state and limits of one partition, for a job of the config."""
    name = partition.get("PartitionName", "?")
    check = f"partition {name}"
    found = [
        *_state(check, partition),
        *_time_limit(config, check, partition),
        *_node_limit(config, check, partition),
        *_memory_limit(config, check, partition),
        *_admission(config, check, partition),
    ]
    if not found:
        limit = partition.get("MaxTime", "UNLIMITED")
        found = [ok(check, f"is up; time limit {config.time_limit} of at most {limit}")]
    return found


def check_nodes(config: SlurmConfig, partition: str, nodes: Sequence[Node]) -> list[Finding]:
    """Whether enough nodes have what one node of the job needs, and are up."""
    check = f"nodes of {partition}"
    fitting = [node for node in nodes if not lacks(config, node)]
    up = [node for node in fitting if not node.is_out]
    if len(fitting) < config.nodes:
        return [
            problem(
                check,
                f"{len(fitting)} of {len(nodes)} have {_needs(config)}; the job needs "
                f"{config.nodes}. {_what_lacks(config, nodes)}",
                _cure(config, nodes),
            )
        ]
    if len(up) < config.nodes:
        out = ", ".join(f"{node.name} {node.state}" for node in fitting if node.is_out)
        return [
            warning(
                check,
                f"{len(fitting)} have {_needs(config)}, but only {len(up)} of them are up ({out})",
                "The job will wait until more come back; `sinfo -R` says why they are out.",
            )
        ]
    idle = sum(node.state.startswith("idle") for node in up)
    return [ok(check, f"{len(up)} have {_needs(config)}; {idle} of them idle now")]


def lacks(config: SlurmConfig, node: Node) -> list[str]:
    """What this node has of each resource of which the job needs more, as in `4 CPUs`."""
    found = []
    if node.cpus < config.cpus_per_node:
        found.append(f"{node.cpus} CPUs")
    counted = config.gpu_request != "none"
    if counted and node.gpu_count(config.gpu_type) < config.gpus_per_node:
        found.append(_gpus_of(node, config.gpu_type))
    # With `exclusive` the job gets all CPUs of a node, and Slurm counts the memory for each CPU.
    cpus = node.cpus if config.exclusive else config.cpus_per_node
    needed_mb = config.memory.on_node_mb(cpus=cpus, gpus=config.gpus_per_node)
    if node.memory_mb < needed_mb:
        by_cpu = config.exclusive and config.mem_per_cpu is not None
        whole = f", and {cpus} CPUs come with the whole node" if by_cpu else ""
        found.append(f"{node.memory_mb} MB of memory (needs {needed_mb} MB{whole})")
    return found


def _gpus_of(node: Node, model: str | None) -> str:
    """The GPUs of a node that has too few of the GPUs asked for, as text."""
    if model is None or node.gpu_count(model) or not node.gpus:
        return _count_gpus(node.gpu_count(model), model)
    others = [f"{count} {kind or 'without a model'}" for kind, count in node.gpus.items()]
    return f"0 {model} GPUs (it has {', '.join(others)})"


def _needs(config: SlurmConfig) -> str:
    count = config.gpus_per_node
    gpus = f", {_count_gpus(count, config.gpu_type)}" if count else ""
    memory = f" and {config.memory.words}" if config.memory.words else ""
    return f"{config.cpus_per_node} CPUs{gpus}{memory}"


def _count_gpus(count: int, model: str | None) -> str:
    return f"{count} GPUs" if model is None else f"{count} {model} GPUs"


def _cure(config: SlurmConfig, nodes: Sequence[Node]) -> str:
    models = gpu_models(nodes)
    if config.gpu_type is not None and config.gpu_type not in models:
        known = ", ".join(models) or "none with a name"
        return f"Set slurm_gpu_type, or choose another slurm_partition. GPU models here: {known}."
    return (
        "Lower slurm_nodes, slurm_cpus_per_task, slurm_gpus_per_task or the memory "
        "(slurm_mem_per_cpu), or choose another slurm_partition."
    )


def _what_lacks(config: SlurmConfig, nodes: Sequence[Node]) -> str:
    examples = {"; ".join(lacks(config, node)): node.name for node in nodes if lacks(config, node)}
    return " ".join(f"{name} has only {what}." for what, name in list(examples.items())[:3])


def _state(check: str, partition: Settings) -> list[Finding]:
    state = partition.get("State", "UP")
    if state == "UP":
        return []
    advice = "Choose another slurm_partition, or wait until the administrators bring it up."
    return [problem(check, f"is {state}: it starts no jobs", advice)]


def _time_limit(config: SlurmConfig, check: str, partition: Settings) -> list[Finding]:
    most_s = parse_time_limit_s(partition.get("MaxTime"))
    asked_s = config.time_limit_s
    if most_s is None or (asked_s is not None and asked_s <= most_s):
        return []
    text = f"gives at most {partition['MaxTime']}; slurm_time_limit is {config.time_limit}"
    return [problem(check, text, "Lower slurm_time_limit or choose another slurm_partition.")]


def _node_limit(config: SlurmConfig, check: str, partition: Settings) -> list[Finding]:
    most = parse_limit(partition.get("MaxNodes"))
    least = parse_limit(partition.get("MinNodes")) or 0
    total = parse_limit(partition.get("TotalNodes"))
    advice = "Change slurm_nodes or choose another slurm_partition."
    if most is not None and config.nodes > most:
        return [
            problem(check, f"gives at most {most} nodes; slurm_nodes is {config.nodes}", advice)
        ]
    if config.nodes < least:
        return [problem(check, f"gives at least {least} nodes to a job", advice)]
    if total is not None and config.nodes > total:
        return [problem(check, f"has {total} nodes; slurm_nodes is {config.nodes}", advice)]
    return []


def _memory_limit(config: SlurmConfig, check: str, partition: Settings) -> list[Finding]:
    most_mb = parse_limit(partition.get("MaxMemPerCPU"))
    asked_mb = parse_memory_mb(config.mem_per_cpu or "")
    if most_mb is None or asked_mb is None or asked_mb <= most_mb:
        return []
    return [
        warning(
            check,
            f"gives at most {most_mb} MB per CPU; slurm_mem_per_cpu is {config.mem_per_cpu}",
            "Slurm then allocates (and charges) more CPUs than asked. Lower slurm_mem_per_cpu and "
            "raise slurm_cpus_per_task instead.",
        )
    ]


def _admission(config: SlurmConfig, check: str, partition: Settings) -> list[Finding]:
    found = []
    groups = parse_list(partition.get("AllowGroups"))
    if groups is not None and not set(groups) & _own_groups():
        text = f"admits only the groups {', '.join(groups)}; you are in none of them"
        found.append(problem(check, text, "Choose another slurm_partition, or ask for access."))
    for key, given, option in (
        ("Accounts", config.account, "slurm_account"),
        ("Qos", config.qos, "slurm_qos"),
    ):
        allowed, denied = (parse_list(partition.get(f"{verb}{key}")) for verb in ("Allow", "Deny"))
        if allowed is not None and given is None:
            text = f"admits only {option} {', '.join(allowed)}; it is not set"
            advice = f"Your default must be one of them, or set {option} to one of them."
            found.append(warning(check, text, advice))
        elif allowed is not None and given not in allowed:
            text = f"admits only {option} {', '.join(allowed)}; it is {given}"
            found.append(problem(check, text, f"Set {option} to one of them."))
        elif denied is not None and given in denied:
            found.append(problem(check, f"does not admit {option} {given}", f"Set {option}."))
    return found


def _own_groups() -> set[str]:
    names = set()
    for number in {os.getgid(), *os.getgroups()}:
        try:
            names.add(grp.getgrgid(number).gr_name)
        except KeyError:
            continue  # AllowGroups has names, so a group without a name is not in it
    return names
