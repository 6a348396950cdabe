"""What a job costs, in the units that sites account for. Pure.

Sources: TRESBillingWeights and PriorityFlags in slurm.conf(5).
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass

from tmgg.experiment_utils.cloud.slurm.config import SlurmConfig
from tmgg.experiment_utils.cloud.slurm.request import fields
from tmgg.experiment_utils.cloud.slurm.site.site import Node, Settings, parse_resources

_WEIGHT = re.compile(r"(?P<number>\d+(?:\.\d+)?|\.\d+)(?P<unit>[KMGTP]?)", re.IGNORECASE)
_UNITS_MB = {**fields.MEGABYTES, "P": 1024**3}


@dataclass(frozen=True, kw_only=True, slots=True)
class Cost:
    """What all runs together cost if each uses its whole time limit; None is not known."""

    node_hours: float | None
    gpu_hours: float | None
    billing_hours: float | None = None
    """Slurm's billing units times hours; None if the partition has no billing weights."""


def cost_of(
    config: SlurmConfig, runs: int, *, partition: Settings, node: Node | None, site: Settings
) -> Cost:
    """`node` is a node that the job could get; it matters if the job takes whole nodes."""
    limit_s = config.time_limit_s
    if limit_s is None:
        return Cost(node_hours=None, gpu_hours=None)
    node_hours = runs * config.nodes * limit_s / 3600
    unit = _billing_of_node(config, partition, node, site)
    return Cost(
        node_hours=node_hours,
        gpu_hours=node_hours * config.gpus_per_node,
        billing_hours=None if unit is None else node_hours * unit,
    )


def parse_weights(text: str) -> dict[str, float]:
    """The weights in `CPU=1.0,Mem=0.25G,GRES/gpu=2`, by resource in lower case.

    The weight of memory is for each megabyte.
    """
    weights: dict[str, float] = {}
    for name, amount in parse_resources(text).items():
        found = _WEIGHT.fullmatch(amount.strip())
        if found is None:
            continue
        unit = found["unit"].upper()
        weights[name.strip().lower()] = float(found["number"]) / (_UNITS_MB[unit] if unit else 1)
    return weights


def _billing_of_node(
    config: SlurmConfig, partition: Settings, node: Node | None, site: Settings
) -> float | None:
    weights = parse_weights(partition.get("TRESBillingWeights", ""))
    if not weights:
        return None
    charged = {
        name: weights.get(name, 0.0) * amount for name, amount in _held(config, node).items()
    }
    if "MAX_TRES" not in site.get("PriorityFlags", ""):
        return sum(charged.values())
    return max(charged.values())


def _held(config: SlurmConfig, node: Node | None) -> Mapping[str, float]:
    """The resources that the job holds on each node, by Slurm's names for them."""
    cpus, gpus = config.cpus_per_node, config.gpus_per_node
    memory_mb = config.memory.on_node_mb(cpus=cpus, gpus=gpus)
    kind = config.gpu_type
    if config.exclusive and node is not None:
        cpus, gpus, memory_mb = node.cpus, node.gpu_count(None), node.memory_mb
        kind = next(iter(node.gpus), "") if len(node.gpus) == 1 else kind
    held: dict[str, float] = {"cpu": cpus, "mem": memory_mb, "node": 1, "gres/gpu": gpus}
    return held | ({f"gres/gpu:{kind.lower()}": gpus} if kind else {})
