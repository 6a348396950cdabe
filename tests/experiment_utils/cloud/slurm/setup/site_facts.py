"""What a site of two partitions says about itself, as values."""

from dataclasses import replace
from typing import Any

from tmgg.experiment_utils.cloud.slurm.setup.facts import Facts
from tmgg.experiment_utils.cloud.slurm.site.site import Node

UP = {"State": "UP", "MaxTime": "1-00:00:00"}


def node(cpus: int = 32, memory_mb: int = 256_000, **gpus: int) -> Node:
    return Node(
        name="n1", cpus=cpus, memory_mb=memory_mb, gpus=gpus, state="idle", features=frozenset()
    )


def facts(**changes: Any) -> Facts:
    """CPU nodes by default, GPU nodes in another partition."""
    plain = Facts(
        version="slurm 24.11.5",
        settings={"ClusterName": "big", "TmpFS": "/local", "MaxArraySize": "1001"},
        partitions=[
            {"PartitionName": "cpu", "Default": "YES", **UP},
            {"PartitionName": "gpu", "AllowQos": "long,normal", **UP},
        ],
        nodes={"cpu": [node()], "gpu": [node(a100=4), node(cpus=64, a100=8)]},
        associations=[
            {"Account": "a", "Partition": "", "QOS": "normal,debug", "MaxSubmit": "50"},
            {"Account": "b", "Partition": "", "QOS": "long", "MaxWall": "02:00:00"},
        ],
        qualities=[{"Name": "normal"}, {"Name": "long", "MaxWall": "10:00:00"}],
        default_account="a",
        clusters=["big"],
        has_accounts=True,
        unanswered={},
    )
    return replace(plain, **changes)
