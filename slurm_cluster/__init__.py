"""A real Slurm cluster of several nodes on one Debian machine, for tests and for trying out.

See docs/test-cluster.md. `python3 -m slurm_cluster up` starts one.
"""

from slurm_cluster.cluster import Cluster
from slurm_cluster.entering import MachineProcess
from slurm_cluster.errors import ClusterError, NoClusterError, OptionError
from slurm_cluster.options import ClusterOptions
from slurm_cluster.status import ClusterStatus, NodeStatus

__all__ = [
    "Cluster",
    "ClusterError",
    "ClusterOptions",
    "ClusterStatus",
    "MachineProcess",
    "NoClusterError",
    "NodeStatus",
    "OptionError",
]
